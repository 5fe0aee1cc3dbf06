import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { endWait } from '../../../src/engine/ledger/item-steps/end-wait.ts'
import type { Fate, PendingDelivery } from '../../support/deliveries.ts'
import { startOne } from '../../support/durable.ts'
import { insertUsers, userId } from '../../support/population.ts'
import { local, resetEverything, rounds } from '../../support/rounds.ts'
import { durableToy } from '../../support/toy.ts'
import { anything, start } from './one-user.ts'

const users = (n: number) => async () => {
  await resetEverything()
  await insertUsers(rounds([]).services.db, n)
}

describe.each(['ended', 'started'] as const)('with completion %s', (completion) => {
  beforeEach(users(20))

  test('the budget bounds what wakes up, and more of it lets the rest go on', async () => {
    const app = rounds([
      durableToy(
        async (_, { sleep, step }) => {
          await sleep('week', '7 days')
          return await step('ask', ({ ai }) => ai.object(anything))
        },
        { estimate: { inputTokens: 20, outputTokens: 20, seconds: 1 }, completion },
      ),
    ])
    const { id } = await app.start('toy', { budget: { tokens: 200 } })
    await app.deliver()
    const bounded = await app.batch(id)
    expect(bounded).toMatchObject({
      status: completion === 'ended' ? 'paused' : 'completed',
      pausedBy: 'budget',
      counts: { waiting: 0, running: 0 },
    })
    expect(bounded.counts.succeeded).toBeGreaterThan(0)
    expect(bounded.spent.inputTokens + bounded.spent.outputTokens).toBeLessThanOrEqual(200)
    const changed = await app.call('PATCH', `/api/admin/batches/${id}`, { budget: { tokens: 2000 } })
    expect(changed.status).toBe(200)
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 20 } })
  })
})

describe('an item at work', () => {
  beforeEach(users(1))
  const estimate = { inputTokens: 5, outputTokens: 5, seconds: 1 }

  test.each(['step', 'call'] as const)('does no further %s once the budget is spent', async (kind) => {
    const asked: string[] = []
    const app = rounds([
      durableToy(
        async (_, { step, call }) => {
          for (const name of ['one', 'two', 'three']) {
            if (kind === 'step') {
              await step(name, async ({ ai }) => {
                asked.push(name)
                return await ai.object(anything)
              })
            } else await call(name, ({ ai }) => ai.object(anything))
          }
          return { text: 'x' }
        },
        { estimate },
      ),
    ])
    const { id } = await app.start('toy', { budget: { tokens: 20 } })
    const calls = (delivery: PendingDelivery): Fate => {
      if (!delivery.url.startsWith('https://rounds.test')) asked.push('call')
      return 'normal'
    }
    await app.deliver({ fate: calls })
    expect(asked).toHaveLength(1)
    expect(await app.batch(id)).toMatchObject({ status: 'paused', pausedBy: 'budget' })
  })
})

describe.each([1, 2])('with %s deliveries at once', (parallelism) => {
  beforeEach(users(12))

  test('the budget is overshot by no more than the steps then at work use', async () => {
    const app = rounds([
      durableToy(async (_, { step, call }) => {
        await step('one', ({ ai }) => ai.object(anything))
        await call('two', ({ ai }) => ai.object(anything))
        return await step('three', ({ ai }) => ai.object(anything))
      }),
    ])
    const { id } = await app.start('toy', { budget: { tokens: 20 }, parallelism })
    await app.deliver({ concurrency: parallelism })
    const { status, pausedBy, spent } = await app.batch(id)
    expect({ status, pausedBy }).toEqual({ status: 'paused', pausedBy: 'budget' })
    const { rows } = await app.services.db.execute(
      'select max(t.n) as most from (select input_tokens + output_tokens as n from batch_items) t',
    )
    const { most } = z.object({ most: z.int() }).parse(rows[0])
    expect(spent.inputTokens + spent.outputTokens).toBeLessThanOrEqual(20 + parallelism * most)
    await app.call('PATCH', `/api/admin/batches/${id}`, { budget: { tokens: 100_000 } })
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 12 } })
  })
})

describe('a call', () => {
  beforeEach(users(1))

  test('whose answer does not fit has cost its tokens all the same', async () => {
    await local('model', 'faults', { rules: [{ malformed: 'not-json', times: 1 }] })
    const one = await start((_, { call }) => call('ask', ({ ai }) => ai.object(anything)))
    expect(await one.run()).toMatchObject({ status: 'failed' })
    const { spent } = await one.now()
    expect(spent.inputTokens).toBeGreaterThan(0)
    expect(spent.outputTokens).toBeGreaterThan(0)
  })
})

test('what a call has used is booked once when its end comes twice', async () => {
  await users(1)()
  const one = await startOne(
    durableToy(async (_, { call }) => call('ask', ({ ai }) => ai.object(anything))),
    userId(1),
  )
  let asked = 0
  await one.deliver({
    fate: (delivery) => {
      if (delivery.url.startsWith('https://rounds.test')) return 'normal'
      asked += 1
      return 'lost'
    },
    until: () => asked === 1,
    concurrency: 1,
  })
  const at = { batchId: one.batchId, itemId: userId(1), attempt: 1, name: 'ask' }
  const end = { status: 'again' as const, error: { name: 'E', message: 'busy', step: 'ask' } }
  const used = { inputTokens: 100, outputTokens: 10 }
  await endWait(one.services.db, at, end, { pageSize: 50 }, used)
  await endWait(one.services.db, at, end, { pageSize: 50 }, used)
  expect((await one.now()).spent).toMatchObject(used)
})
