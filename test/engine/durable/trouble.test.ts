import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { PermanentError, RetryLaterError } from '../../../src/errors.ts'
import { startOne } from '../../support/durable.ts'
import { insertUsers, userId } from '../../support/population.ts'
import { rounds } from '../../support/rounds.ts'
import { durableToy } from '../../support/toy.ts'
import { anything, oneUser, start, type Toy } from './one-user.ts'

beforeEach(oneUser)

/** Fails the first so many times with a wish for patience. */
function patience(times: number) {
  let left = times
  return async () => {
    left -= 1
    if (left >= 0) throw new RetryLaterError('slowly', 30)
  }
}

describe('the undoing of an item', () => {
  test('also undoes a call that may have done something', async () => {
    const acts: string[] = []
    const one = await start(async (_, { call, compensate }) => {
      compensate('order', async () => void acts.push('undo'))
      await call('order', async ({ ai }) => {
        const request = await ai.object(anything)
        return { ...request, read: () => Promise.reject(new Error('answered nothing')) }
      })
      return { text: 'never' }
    })
    expect(await one.run()).toMatchObject({ status: 'failed' })
    expect(acts).toEqual(['undo'])
  })

  test('says why it failed and what could not be undone, also after an undo that asks for patience', async () => {
    const wait = patience(1)
    const one = await start(async (_, { step, compensate }) => {
      compensate('a', wait)
      await step('a', async () => 'a')
      compensate('b', async () => undefined)
      await step('b', async () => 'b')
      compensate('c', () => Promise.reject(new PermanentError('refund refused')))
      await step('c', async () => 'c')
      throw new PermanentError('the real cause')
    })
    const item = await one.run()
    expect(item).toMatchObject({ status: 'failed', error: { name: 'UndoFailed', step: 'c' } })
    expect(item.error?.message).toContain('the real cause')
    expect(await one.statuses()).toEqual({ a: 'undone', b: 'undone', c: 'done' })
  })

  test('follows the death of a run however often the item was put off before', async () => {
    const acts: string[] = []
    const wait = patience(21)
    const one = await start(async (_, { step, compensate }) => {
      compensate('charge', async () => void acts.push('undo'))
      await step('charge', async () => void acts.push('charge'))
      await step('patient', wait)
      throw new PermanentError('no')
    })
    await one.run()
    expect(acts).toEqual(['charge', 'undo'])
  })
})

/** A handler of three steps, of which the first is done; then `act` answers, and everything is delivered. */
async function after(act: string) {
  const acts: string[] = []
  const one = await start(async (_, { step, compensate }) => {
    for (const name of ['a', 'b', 'c']) {
      compensate(name, async () => void acts.push(`undo ${name}`))
      await step(name, async () => void acts.push(name))
    }
    return { text: 'done' }
  })
  await one.deliver({ until: () => acts.length === 1, concurrency: 1 })
  expect(await one.act(act)).toMatchObject({ status: 200 })
  return { one, acts, item: await one.run() }
}

describe('what has answered', () => {
  test('as paused lets no further step begin, and a resume goes on with it', async () => {
    const { one, acts, item } = await after('pause')
    expect(item).toMatchObject({ status: 'queued' })
    expect(acts).toEqual(['a'])
    await one.act('resume')
    expect(await one.run()).toMatchObject({ status: 'succeeded' })
    expect(acts).toEqual(['a', 'b', 'c'])
    expect(await one.now()).toMatchObject({
      status: 'completed',
      counts: { running: 0, queued: 0, succeeded: 1 },
    })
  })

  test('as cancelled lets no further step begin, and undoes what was done', async () => {
    const { one, acts, item } = await after('cancel')
    expect(item).toMatchObject({ status: 'cancelled' })
    expect(acts).toEqual(['a', 'undo a'])
    expect(await one.now()).toMatchObject({ counts: { running: 0, queued: 0, cancelled: 1 } })
  })
})

test('the breaker counts items that end in a bug of the handler', async () => {
  const app = rounds([
    durableToy(() => Promise.reject(new Error('a bug')), {
      tolerate: { percent: 10, window: 10 },
      maxOutstanding: 2,
      pageSize: 2,
    }),
  ])
  await app.services.db.execute(sql`delete from users`)
  await insertUsers(app.services.db, 10)
  const { id } = await app.start('toy')
  await app.deliver()
  expect(await app.batch(id)).toMatchObject({ status: 'paused', pausedBy: 'breaker' })
})

test('a sleep that has become a step in place is said to need a new version', async () => {
  const one = await start(async (_, { sleep }) => {
    await sleep('rest', '7 days')
    return { text: 'done' }
  })
  await one.runUntilWaiting()
  await one.act('pause')
  await one.run()
  await one.act('resume')
  await rounds([durableToy(async (_, { step }) => ({ text: await step('rest', async () => 'x') }))]).deliver()
  const item = await one.item()
  expect(item.status).toBe('failed')
  expect(item.error?.message).toBe('rest was a sleep before: a changed handler needs a new version')
})

test('an item whose handler was changed in place goes on from what is done', async () => {
  const acts: string[] = []
  const handler =
    (isNew: boolean): Toy =>
    async (_, { step, sleep }) => {
      await step('a', async () => void acts.push('a'))
      if (isNew) await step('inserted', async () => void acts.push('inserted'))
      await sleep('week', '7 days')
      await step('b', async () => void acts.push('b'))
      return { text: 'done' }
    }
  const one = await start(handler(false))
  await one.runUntilWaiting()
  const changed = rounds([durableToy(handler(true))])
  await changed.deliver()
  expect(await one.item()).toMatchObject({ status: 'succeeded' })
  expect(acts).toEqual(['a', 'inserted', 'b'])
})

test('waits and steps that are begun together come one after the other', async () => {
  const acts: string[] = []
  const one = await start(async (_, { step, sleep }) => {
    await Promise.all([
      sleep('week', '7 days'),
      step('a', async () => void acts.push('a')),
      sleep('day', '1 day'),
    ])
    return { text: 'done' }
  })
  expect(await one.runUntilWaiting()).toMatchObject({ status: 'waiting', waitingFor: 'week' })
  expect(acts).toEqual([])
  expect(await one.run()).toMatchObject({ status: 'succeeded' })
  expect(acts).toEqual(['a'])
})

test('a service that is not configured fails the step that uses it, and says what is missing', async () => {
  const workflow = durableToy(async (_, { parallel }) => {
    const { mail, pay } = await parallel({
      mail: ({ mail: service }) => service.send({ to: '', subject: '', text: '' }),
      pay: ({ payments }) => payments.charge('pi_1'),
    })
    return { text: JSON.stringify([mail, pay]) }
  })
  const env = { MAIL_API_KEY: '', MAIL_FROM: '', PAYMENTS_API_KEY: '' }
  const one = await startOne(workflow, userId(1), { env })
  expect(await one.run()).toMatchObject({ status: 'succeeded' })
  const errors = (await one.history()).map(({ error }) => error?.message)
  expect(new Set(errors)).toEqual(
    new Set(['mail: MAIL_API_KEY, MAIL_FROM missing', 'payments: PAYMENTS_API_KEY missing']),
  )
})
