import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { PermanentError, RetryLaterError } from '../../../src/errors.ts'
import type { StepWork } from '../../../src/workflows/contract.ts'
import { isFailureCallback, isItem, type Fate, type PendingDelivery } from '../../support/deliveries.ts'
import { userId } from '../../support/population.ts'
import { anything, oneUser, start } from './one-user.ts'

beforeEach(oneUser)

describe('a cancel undoes what may have been done', () => {
  test.each<[string, StepWork<void>]>([
    [
      'that had failed once and was to be tried again',
      () => Promise.reject(new Error('the answer was lost')),
    ],
    [
      'in which the Worker had died',
      async ({ db }) => {
        await db.execute(
          sql`update item_steps set lease_until = now() - interval '1 second', token = gen_random_uuid()`,
        )
        throw new Error('nobody hears of this')
      },
    ],
  ])('by a step %s', async (_, work) => {
    const acts: string[] = []
    const one = await start(async (__, { step, compensate }) => {
      compensate('charge', async () => void acts.push('undo'))
      await step('charge', async (services) => {
        acts.push('charge')
        await work(services)
      })
      return { text: 'never' }
    })
    await one.deliver({ until: () => acts.length === 1, concurrency: 1 })
    await one.act('cancel')
    expect(await one.run()).toMatchObject({ status: 'cancelled' })
    expect(acts).toEqual(['charge', 'undo'])
  })

  test('by a call that QStash was making', async () => {
    const acts: string[] = []
    const one = await start(async (_, { call, compensate }) => {
      compensate('order', async () => void acts.push('undo'))
      return await call('order', ({ ai }) => ai.object(anything))
    })
    let calls = 0
    const fate = ({ url }: PendingDelivery): Fate => {
      calls += Number(!url.startsWith('https://rounds.test'))
      return 'normal'
    }
    await one.deliver({ fate, until: () => calls === 1, concurrency: 1 })
    await one.act('cancel')
    expect(await one.run()).toMatchObject({ status: 'cancelled' })
    expect(acts).toEqual(['undo'])
  })
})

test('a handler that gives up before it comes back to a step undoes what that may have done', async () => {
  const acts: string[] = []
  const one = await start(async (_, { step, compensate }) => {
    compensate('charge', async () => void acts.push('undo'))
    if (acts.length > 0) throw new PermanentError('changed its mind')
    await step('charge', async () => {
      acts.push('charge')
      throw new Error('the answer was lost')
    })
    return { text: 'never' }
  })
  expect(await one.run()).toMatchObject({ status: 'failed', error: { message: 'changed its mind' } })
  expect(acts).toEqual(['charge', 'undo'])
})

test('what was cancelled stays so though the run that undoes it dies', async () => {
  const because: string[] = []
  const one = await start(async (_, { step, compensate }) => {
    compensate('a', async (undo) => void because.push(undo.because))
    await step('a', async () => 'a')
    await step('patient', () => Promise.reject(new RetryLaterError('later', 600, { slows: false })))
    return { text: 'never' }
  })
  await one.deliver({ longestSkipMs: 30_000 })
  expect(await one.item()).toMatchObject({ status: 'queued' })
  // A cancel that comes while a run is at work leaves the item its attempt.
  await one.services.db.execute(sql`update batches set status = 'cancelled', ended_at = now()`)
  let dying: string | undefined
  let deliveries = 0
  const fate = (delivery: PendingDelivery): Fate => {
    if (!isItem(delivery) || isFailureCallback(delivery)) return 'normal'
    const run = delivery.headers['upstash-workflow-runid']
    dying ??= run
    deliveries += 1
    return run === dying && deliveries > 1 ? 'lost' : 'normal'
  }
  expect(await one.run({ fate, concurrency: 1 })).toMatchObject({ status: 'cancelled' })
  expect(because).toEqual(['cancelled'])
})

test('a second cancel does not put off what is undone already', async () => {
  const acts: string[] = []
  let isDown = true
  const undo = async () => {
    if (isDown) throw new Error('down')
    acts.push('undo a')
  }
  const one = await start(async (_, { step, sleep, compensate }) => {
    compensate('a', () => undo(), { backoff: '10 minutes' })
    await step('a', async () => void acts.push('a'))
    await sleep('week', '7 days')
    return { text: 'never' }
  })
  await one.runUntilWaiting()
  await one.act('cancel')
  await one.runUntilWaiting({ longestSkipMs: 1000 })
  isDown = false
  const { attempt } = await one.item()
  await one.services.db.execute(sql`update batch_items set lease_until = now() - interval '1 second'`)
  expect(await one.act('cancel')).toMatchObject({ status: 200 })
  expect(await one.run()).toMatchObject({ status: 'cancelled', attempt })
  expect(acts).toEqual(['a', 'undo a'])
})

test('a step in which the Worker died is undone also when its next try is refused for certain', async () => {
  const acts: string[] = []
  const one = await start(async (_, { step, compensate }) => {
    compensate('charge', async () => void acts.push('undo'))
    await step('charge', async ({ db }) => {
      acts.push('charge')
      if (acts.length > 1) throw new PermanentError('declined')
      await db.execute(
        sql`update item_steps set lease_until = now() - interval '1 second', token = gen_random_uuid()`,
      )
      throw new Error('nobody hears of this')
    })
    return { text: 'never' }
  })
  expect(await one.run()).toMatchObject({ status: 'failed', error: { message: 'declined' } })
  expect(acts).toEqual(['charge', 'charge', 'undo'])
})

test('what is undone for a cancel though its handler breaks by then is said to stand', async () => {
  const acts: string[] = []
  let isBroken = false
  const one = await start(async (_, { step, sleep, compensate }) => {
    if (isBroken) throw new TypeError('x is undefined')
    compensate('charge', async () => void acts.push('refund'))
    await step('charge', async () => void acts.push('charge'))
    await sleep('week', '7 days')
    return { text: 'never' }
  })
  await one.runUntilWaiting()
  isBroken = true
  await one.act('cancel')
  expect(await one.run()).toMatchObject({ status: 'failed', error: { name: 'UndoFailed', step: 'charge' } })
  expect(acts).toEqual(['charge'])
})

test('an item that has run very often is undone though a run dies meanwhile', async () => {
  const acts: string[] = []
  const one = await start(async (_, { step, sleep, compensate }) => {
    for (const name of ['a', 'b']) {
      compensate(name, async () => void acts.push(`undo ${name}`))
      await step(name, async () => void acts.push(name))
    }
    await sleep('week', '7 days')
    return { text: 'never' }
  })
  await one.runUntilWaiting()
  await one.act('cancel')
  await one.services.db.execute(sql`update batch_items set claims = 1440`)
  const runs = new Set<string | undefined>()
  const fate = (delivery: PendingDelivery): Fate => {
    if (!isItem(delivery) || isFailureCallback(delivery)) return 'normal'
    const run = delivery.headers['upstash-workflow-runid']
    if (acts.includes('undo b')) runs.add(run)
    return runs.size === 1 && runs.has(run) ? 'lost' : 'normal'
  }
  expect(await one.run({ fate, concurrency: 1 })).toMatchObject({ status: 'cancelled' })
  expect(acts).toEqual(['a', 'b', 'undo b', 'undo a'])
})

/** An item of a cancelled batch whose charge could not be undone. */
async function broken() {
  const acts: string[] = []
  const down = { undo: true }
  const one = await start(async (_, { step, sleep, compensate }) => {
    compensate('charge', async () => {
      if (down.undo) throw new PermanentError('the gateway is down')
      acts.push('refund')
    })
    await step('charge', async () => void acts.push('charge'))
    compensate('mail', async () => void acts.push('unmail'))
    await step('mail', async () => void acts.push('mail'))
    await sleep('week', '7 days')
    return { text: 'never' }
  })
  await one.runUntilWaiting()
  await one.act('cancel')
  expect(await one.run()).toMatchObject({ status: 'failed', error: { name: 'UndoFailed' } })
  return { one, acts, down }
}

describe('what could not be undone for a cancel is undone when it is retried', () => {
  test('once, and nothing is done again', async () => {
    const { one, acts, down } = await broken()
    down.undo = false
    const ask = () =>
      one.call(
        'POST',
        `/api/admin/batches/${one.batchId}/retry`,
        { all: true },
        { 'idempotency-key': 'undo' },
      )
    const first = await ask()
    expect(first).toMatchObject({ status: 200, body: { retried: 1, left: 0 } })
    expect(await ask()).toEqual(first)
    expect(await one.run()).toMatchObject({ status: 'cancelled', undoing: null })
    expect(acts).toEqual(['charge', 'mail', 'unmail', 'refund'])
    expect(await one.now()).toMatchObject({ status: 'cancelled', counts: { failed: 0, cancelled: 1 } })
    expect(await one.act('retry', { all: true })).toMatchObject({ status: 409 })
  })

  test('and fails again while it cannot', async () => {
    const { one, acts } = await broken()
    await one.act('retry', { itemIds: [userId(1)] })
    expect(await one.run()).toMatchObject({ status: 'failed', error: { name: 'UndoFailed', step: 'charge' } })
    expect(await one.now()).toMatchObject({ counts: { failed: 1, cancelled: 0 } })
    expect(acts).toEqual(['charge', 'mail', 'unmail'])
  })

  test('but not while another batch is at its item', async () => {
    const { one, down } = await broken()
    down.undo = false
    const path = `/api/admin/workflows/toy/items/${userId(1)}`
    expect(await one.call('POST', path, { force: true, confirm: true })).toMatchObject({ status: 201 })
    expect((await one.act('retry', { all: true })).body).toMatchObject({ retried: 0 })
  })
})
