import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { PermanentError } from '../../../src/errors.ts'
import { isItem, type Fate, type PendingDelivery } from '../../support/deliveries.ts'
import { anything, oneUser, start, type Toy } from './one-user.ts'

beforeEach(oneUser)

/** Keeps the deliveries of an item, so that each can come once more. */
function keeping() {
  const kept: PendingDelivery[] = []
  const fate = (delivery: PendingDelivery): Fate => {
    if (isItem(delivery)) kept.push(delivery)
    return 'normal'
  }
  const again = async (worker: (request: Request) => Promise<Response>) => {
    for (const { url, method, headers, body } of kept) {
      await worker(new Request(url, { method, headers, body }))
    }
  }
  return { kept, fate, again }
}

/** A handler of every kind of step, which fails in the end or does not. */
function everything(fails: boolean) {
  const acts: string[] = []
  const handler: Toy = async (_, { step, parallel, sleep, waitForEvent, call, compensate }) => {
    compensate('a', async () => void acts.push('undo a'))
    await step('a', async () => void acts.push('a'))
    await sleep('week', '7 days')
    await waitForEvent('decision', { data: z.string(), timeout: '1 day' })
    await call('ask', ({ ai }) => ai.object(anything))
    compensate('b', async () => void acts.push('undo b'))
    await parallel({ b: async () => void acts.push('b'), c: async () => void acts.push('c') })
    if (fails) throw new PermanentError('in the end')
    return { text: 'done' }
  }
  return { handler, acts }
}

describe.each([true, false])('of an item that fails: %s', (fails) => {
  test('late copies of its deliveries change nothing, also those of an earlier attempt', async () => {
    const { handler, acts } = everything(fails)
    const one = await start(handler, { freshFor: '1 day' })
    const { kept, fate, again } = keeping()
    await one.runUntilWaiting({ fate })
    await one.services.db.execute(sql`update batch_items set waiting_until = now() - interval '1 hour'`)
    expect(await one.act('resume')).toMatchObject({ status: 200 })
    await one.run({ fate, concurrency: 1 })
    const ended = await one.item()
    expect(ended).toMatchObject({ status: fails ? 'failed' : 'succeeded', attempt: 2 })
    const done = [...acts]
    expect(done.toSorted()).toEqual(fails ? ['a', 'b', 'c', 'undo a', 'undo b'] : ['a', 'b', 'c'])
    expect(kept.length).toBeGreaterThan(15)
    await again(one.worker)
    expect(acts).toEqual(done)
    expect(await one.item()).toEqual(ended)
    const proof = await one.call('GET', `/api/admin/batches/${one.batchId}/proof`)
    expect(proof.body).toMatchObject({ balanced: true, mismatches: [] })
  })
})

test('late copies of an earlier attempt leave alone an item that goes on in a later one', async () => {
  const { handler, acts } = everything(false)
  const one = await start(handler)
  const { fate, again } = keeping()
  await one.runUntilWaiting({ fate })
  await one.later('7 days')
  await one.runUntilWaiting({ fate })
  await one.services.db.execute(sql`update batch_items set waiting_until = now() - interval '1 hour'`)
  await one.act('resume')
  await one.runUntilWaiting()
  const before = await one.item()
  await again(one.worker)
  expect(await one.item()).toEqual(before)
  expect(acts).toEqual(['a'])
  expect(await one.run()).toMatchObject({ status: 'succeeded' })
  expect(acts.toSorted()).toEqual(['a', 'b', 'c'])
})

test('a step whose answer is lost once is not done anew after it was undone', async () => {
  const acts: string[] = []
  let lost = false
  const fate = (delivery: PendingDelivery): Fate => {
    if (!isItem(delivery) || lost || !acts.includes('a')) return 'normal'
    // The delivery that does b: it is done, but QStash never hears of it.
    lost = true
    return 'unanswered'
  }
  let tries = 0
  const one = await start(async (_, { step, compensate }) => {
    compensate('a', async () => {
      tries += 1
      if (tries < 3) throw new Error('busy')
      acts.push('undo a')
    })
    await step('a', async () => void acts.push('a'))
    compensate('b', async () => void acts.push('undo b'))
    await step('b', async () => void acts.push('b'))
    throw new PermanentError('no')
  })
  expect(await one.run({ fate, concurrency: 1 })).toMatchObject({ status: 'failed' })
  expect(acts).toEqual(['a', 'b', 'undo b', 'undo a'])
})

test('no copy that comes while an item is undone begins anything', async () => {
  const acts: string[] = []
  const { fate, again } = keeping()
  const one = await start(async (_, { step, waitForEvent, call, compensate }) => {
    compensate('a', async () => {
      acts.push('undo a')
      await again(one.worker)
    })
    await step('a', async () => void acts.push('a'))
    await waitForEvent('word', { data: z.string(), timeout: '1 day' })
    compensate('ask', async () => void acts.push('undo ask'))
    await call('ask', ({ ai }) => ai.object(anything))
    compensate('b', async () => void acts.push('undo b'))
    await step('b', async () => void acts.push('b'))
    throw new PermanentError('no')
  })
  await one.give('word', 'x')
  expect(await one.run({ fate, concurrency: 1 })).toMatchObject({ status: 'failed', waitingFor: null })
  expect(acts).toEqual(['a', 'b', 'undo b', 'undo ask', 'undo a'])
})

async function inItsNextWait() {
  const acts: string[] = []
  const one = await start(async (_, { sleep, waitForEvent, step, compensate }) => {
    compensate('a', async () => void acts.push('undo a'))
    await step('a', async () => void acts.push('a'))
    await sleep('nap', '1 hour')
    return { text: (await waitForEvent('word', { data: z.string(), timeout: '14 days' })) ?? 'none' }
  })
  await one.runUntilWaiting()
  await one.later('1 hour')
  let isFirst = true
  const fate = (delivery: PendingDelivery): Fate => {
    if (!isItem(delivery) || !isFirst) return 'normal'
    isFirst = false
    return 'unanswered'
  }
  expect(await one.runUntilWaiting({ fate })).toMatchObject({ status: 'waiting', waitingFor: 'word' })
  return { one, acts }
}

describe('when the answer to the end of a wait is lost once', () => {
  test('the event that is waited for next wakes the item', async () => {
    const { one } = await inItsNextWait()
    await one.give('word', 'hello')
    expect(await one.runUntilWaiting()).toMatchObject({ status: 'succeeded' })
  })

  test('a cancel ends the next wait', async () => {
    const { one, acts } = await inItsNextWait()
    await one.act('cancel')
    expect(await one.runUntilWaiting()).toMatchObject({ status: 'cancelled' })
    expect(acts).toEqual(['a', 'undo a'])
  })
})

describe('a step', () => {
  test('that another delivery is at is left to it', async () => {
    const answers: { status: number; patience: string | null }[] = []
    const { kept, fate } = keeping()
    const done: string[] = []
    const one = await start(async (_, { step }) => ({
      text: await step('slow', async () => {
        const delivery = kept.at(-1)
        if (done.push('slow') === 1 && delivery !== undefined) {
          const { url, method, headers, body } = delivery
          const answer = await one.worker(new Request(url, { method, headers, body }))
          answers.push({ status: answer.status, patience: answer.headers.get('retry-after') })
        }
        return 'done'
      }),
    }))
    expect(await one.run({ fate, concurrency: 1 })).toMatchObject({ status: 'succeeded' })
    expect(done).toEqual(['slow'])
    expect(answers).toMatchObject([{ status: 429 }])
    expect(Number.parseInt(answers[0]?.patience ?? '', 10)).toBeGreaterThan(0)
  })

  test('that was taken over before it was noted is noted by whoever took it', async () => {
    let tries = 0
    const one = await start(async (_, { step }) => ({
      text: await step('slow', async ({ db }) => {
        tries += 1
        if (tries === 1) {
          await db.execute(
            sql`update item_steps set token = gen_random_uuid(), lease_until = now() - interval '1 second'`,
          )
        }
        return `try ${tries}`
      }),
    }))
    expect(await one.run()).toMatchObject({ status: 'succeeded' })
    expect((await one.history()).map(({ result }) => result)).toEqual(['try 2'])
  })
})
