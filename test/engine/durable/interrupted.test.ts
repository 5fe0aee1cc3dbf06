import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { leaveRun } from '../../../src/engine/ledger/item-steps/leave-run.ts'
import { reconcile } from '../../../src/engine/reconcile.ts'
import { isItem, type Fate, type PendingDelivery } from '../../support/deliveries.ts'
import { startOne } from '../../support/durable.ts'
import { insertUsers, userId } from '../../support/population.ts'
import { local, rounds } from '../../support/rounds.ts'
import { durableToy, toyWorkflow } from '../../support/toy.ts'
import { anything, oneUser, start, type Toy } from './one-user.ts'

beforeEach(oneUser)

describe('a step', () => {
  test('is noted though the database fails for a moment', async () => {
    let tries = 0
    const one = await start(async (_, { step }) => ({
      text: await step('paid', async () => {
        tries += 1
        await local('neon', 'faults', { failNext: 1 })
        return 'done'
      }),
    }))
    expect(await one.run()).toMatchObject({ status: 'succeeded' })
    expect(tries).toBe(1)
  })

  test('waits as long as it says before it is tried again', async () => {
    let tries = 0
    const one = await start(async (_, { step }) => ({
      text: await step(
        'flaky',
        async () => {
          tries += 1
          if (tries < 3) throw new Error('not yet')
          return 'done'
        },
        { retries: 2, backoff: '2 hours', timeout: '5 seconds' },
      ),
    }))
    expect(await one.runUntilWaiting()).toMatchObject({ status: 'running' })
    expect(tries).toBe(1)
    expect(await one.run()).toMatchObject({ status: 'succeeded' })
    expect(tries).toBe(3)
  })

  test('does not begin while the kill switch is on', async () => {
    const acts: string[] = []
    const one = await start(
      async (_, { step }) => {
        await step('a', async () => void acts.push('a'))
        await step('b', async () => void acts.push('b'))
        return { text: 'done' }
      },
      { completion: 'started' },
    )
    await one.deliver({ until: () => acts.length === 1, concurrency: 1 })
    await one.services.db.execute(sql`insert into kill_switches (workflow, actor) values ('toy', 'test')`)
    expect(await one.run()).toMatchObject({ status: 'queued' })
    expect(acts).toEqual(['a'])
  })
})

describe('a call', () => {
  test('is not made once a pause has answered, and is when the batch is resumed', async () => {
    const acts: string[] = []
    const one = await start(async (_, { step, call }) => {
      await step('before', async () => void acts.push('before'))
      return await call('ask', ({ ai }) => ai.object(anything))
    })
    await one.deliver({ until: () => acts.length === 1, concurrency: 1 })
    await one.act('pause')
    expect(await one.run()).toMatchObject({ status: 'queued' })
    expect(await one.statuses()).toEqual({ before: 'done' })
    await one.act('resume')
    expect(await one.run()).toMatchObject({ status: 'succeeded' })
    expect(acts).toEqual(['before'])
  })

  test('that is answered at a closed gate is not made again', async () => {
    const asks: string[] = []
    const one = await start(async (_, { call }) => call('ask', ({ ai }) => ai.object(anything)))
    const fate = ({ url }: PendingDelivery): Fate => {
      if (!url.startsWith('https://rounds.test')) asks.push(url)
      return 'normal'
    }
    await one.deliver({ fate, until: () => asks.length === 1, concurrency: 1 })
    expect(await one.item()).toMatchObject({ status: 'running', waitingFor: 'ask' })
    await one.act('pause')
    expect(await one.run({ fate })).toMatchObject({ status: 'queued', waitingFor: null })
    await one.act('resume')
    expect(await one.run({ fate })).toMatchObject({ status: 'succeeded' })
    expect(asks).toHaveLength(1)
  })

  test('whose model asks for patience to the last is made again by a later run', async () => {
    await local('model', 'faults', { rules: [{ status: 429, retryAfterSeconds: 1, times: 5 }] })
    const one = await start((_, { call }) =>
      call('ask', ({ ai }) => ai.object(anything), {
        retries: 3,
        backoff: '1 second',
      }),
    )
    const item = await one.run()
    expect(item.status).toBe('succeeded')
    expect(item.attempt).toBeGreaterThan(1)
  })

  test.each([
    ['is answered', [], 'cancelled'],
    ['fails', [{ status: 400 }], 'cancelled'],
  ])('that %s after its batch was cancelled ends with it', async (_, rules, status) => {
    await local('model', 'faults', { rules })
    const one = await start((__, { call }) => call('ask', ({ ai }) => ai.object(anything)))
    let asked = 0
    const calls = (delivery: PendingDelivery): Fate => {
      asked += Number(!delivery.url.startsWith('https://rounds.test'))
      return 'normal'
    }
    await one.deliver({ fate: calls, until: () => asked === 1, concurrency: 1 })
    await one.services.db.execute(sql`update batches set status = 'cancelled', ended_at = now()`)
    expect(await one.run()).toMatchObject({ status })
  })
})

const sleeper: Toy = async (_, { sleep }) => {
  await sleep('week', '7 days')
  return { text: 'done' }
}

describe('an item', () => {
  test('in a batch that was cancelled after its claim does not begin to wait', async () => {
    const one = await start(sleeper)
    let claimed = false
    const fate = (delivery: PendingDelivery): Fate => {
      claimed ||= isItem(delivery)
      return 'normal'
    }
    await one.deliver({ fate, until: () => claimed, concurrency: 1 })
    expect(await one.item()).toMatchObject({ status: 'running' })
    await one.act('cancel')
    expect(await one.runUntilWaiting()).toMatchObject({ status: 'cancelled' })
    expect(await one.statuses()).toEqual({})
  })

  test('is not parked at a gate that is open again', async () => {
    const left: unknown[] = []
    const one = await start(async (_, { step }) => ({
      text: await step('a', async ({ db }) => {
        const item = { batchId: one.batchId, itemId: userId(1), attempt: 1, pageSize: 10 }
        left.push(await leaveRun(db, item, 'parked'))
        return 'x'
      }),
    }))
    expect(await one.run()).toMatchObject({ status: 'succeeded', attempt: 1 })
    expect(left).toEqual([undefined])
  })

  test('is not taken for dead while a step of it may take longer than its claim', async () => {
    const held: unknown[] = []
    const one = await start(async (_, { step }) => ({
      text: await step(
        'slow',
        async ({ db }) => {
          const { rows } = await db.execute(
            sql`select lease_until > now() + interval '1 hour' as held from batch_items`,
          )
          held.push(...rows)
          return 'x'
        },
        { timeout: '2 hours' },
      ),
    }))
    expect(await one.run()).toMatchObject({ status: 'succeeded' })
    expect(held).toEqual([{ held: true }])
  })

  test('whose handler is gone fails and says so', async () => {
    const one = await start(sleeper)
    await one.runUntilWaiting()
    await rounds([durableToy({ 2: sleeper })]).deliver()
    const item = await one.item()
    expect(item.status).toBe('failed')
    expect(item.error?.message).toContain('has no handler of version 1')
  })

  test('whose result does not fit fails and says so', async () => {
    const one = await start(async () => ({ text: 'x' }), { data: z.object({ text: z.string().min(5) }) })
    const item = await one.run()
    expect(item.status).toBe('failed')
    expect(item.error?.message).toContain('the result does not fit')
  })
})

test('an item that was recorded before its workflow was durable fails', async () => {
  const before = rounds([toyWorkflow((_, id) => Promise.resolve({ text: id }))])
  const { id } = await before.start('toy')
  await before.deliver({
    until: () => false,
    fate: (d) => (isItem(d) ? 'lost' : 'normal'),
    longestSkipMs: 2000,
  })
  const workflow = durableToy(async () => ({ text: 'x' }))
  const after = rounds([workflow])
  await after.deliver()
  await after.services.db.execute(sql`update batch_items set lease_until = now() - interval '1 second'`)
  await reconcile(after.services, [workflow], { graceSeconds: 0 })
  expect(await after.batch(id)).toMatchObject({ status: 'completed', counts: { failed: 1 } })
})

test('the budget reserves what all steps and calls of an item have used', async () => {
  const workflow = durableToy(
    async (_, { call, step }) => {
      await call('first', ({ ai }) => ai.object(anything))
      await call('second', ({ ai }) => ai.object(anything))
      return await step('third', ({ ai }) => ai.object(anything))
    },
    { estimate: { inputTokens: 1, outputTokens: 1, seconds: 1 }, maxOutstanding: 1, pageSize: 1 },
  )
  const one = await startOne(workflow, userId(1))
  await one.run()
  const { inputTokens, outputTokens } = (await one.now()).spent
  const used = inputTokens + outputTokens

  await one.services.db.execute(sql`delete from users`)
  await insertUsers(one.services.db, 3)
  await one.services.db.execute(sql`delete from results`)
  const { id } = await one.start('toy', { budget: { tokens: Math.floor(used * 1.9) } })
  await one.deliver()
  expect(await one.batch(id)).toMatchObject({
    status: 'paused',
    pausedBy: 'budget',
    counts: { succeeded: 1 },
    spent: { inputTokens, outputTokens },
  })
})
