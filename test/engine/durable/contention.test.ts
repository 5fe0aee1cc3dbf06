import { sql, type SQL } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { beginStep, beginUndo } from '../../../src/engine/ledger/item-steps/begin-step.ts'
import { endWait } from '../../../src/engine/ledger/item-steps/end-wait.ts'
import { giveEvent } from '../../../src/engine/ledger/item-steps/give-event.ts'
import { noteUndoing } from '../../../src/engine/ledger/item-steps/note-undoing.ts'
import { approval } from '../../../src/workflows/approval.ts'
import type { Fate, PendingDelivery } from '../../support/deliveries.ts'
import { lane } from '../../support/lane.ts'
import { userId } from '../../support/population.ts'
import { anything, oneUser, start } from './one-user.ts'

beforeEach(oneUser)

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Runs `acts` while somebody else holds `rows`. */
async function whileHeld<T>(
  { db }: Awaited<ReturnType<typeof start>>['services'],
  rows: 'batches' | 'batch_items',
  acts: () => Promise<T>,
): Promise<T> {
  const held = db.batch([
    db.execute(sql`select 1 from ${sql.identifier(rows)} for no key update`),
    db.execute(sql`select pg_sleep(1.5)`),
  ])
  await pause(300)
  const [done] = await Promise.all([acts(), held])
  return done
}

/** An item at work whose step `a` has been left by a delivery, which ends it as `end` says while another one begins it. */
async function endedMeanwhile(
  left: SQL,
  end: SQL,
  begin: typeof beginStep,
  undoing: 'failed' | null,
): Promise<string> {
  const one = await start(async (_, { step, sleep }) => {
    await step('a', async () => 'a')
    await sleep('week', '7 days')
    return { text: 'x' }
  })
  await one.runUntilWaiting()
  const { db } = one.services
  await db.execute(sql`update batch_items set status = 'running', undoing = ${undoing}`)
  await db.execute(sql`update item_steps set ${left} where name = 'a'`)
  const at = { batchId: one.batchId, itemId: userId(1), attempt: 1, name: 'a', undoable: false, turn: 0 }
  const { outcome } = await whileHeld(one.services, 'batches', async () => {
    const beginning = begin(db, at, { token: crypto.randomUUID(), seconds: 60 })
    await pause(300)
    await db.execute(sql`update item_steps set ${end} where name = 'a'`)
    return await beginning
  })
  return outcome
}

// The embedded Postgres does one statement after the other.
describe.runIf(lane.postgres === 'PostgreSQL')('statements that wait for each other', () => {
  test('two copies of the end of a call both have its answer', async () => {
    const one = await start(async (_, { call }) => call('ask', ({ ai }) => ai.object(anything)))
    let asked = 0
    const fate = (delivery: PendingDelivery): Fate => {
      if (delivery.url.startsWith('https://rounds.test')) return 'normal'
      asked += 1
      return 'lost'
    }
    await one.deliver({ fate, until: () => asked === 1, concurrency: 1 })
    const at = { batchId: one.batchId, itemId: userId(1), attempt: 1, name: 'ask' }
    const answered = { status: 'answered', result: { text: 'hello' } } as const
    const end = () =>
      endWait(one.services.db, at, answered, { pageSize: 50 }, { inputTokens: 0, outputTokens: 0 })
    const woken = { outcome: 'woken', result: { text: 'hello' } }
    expect(await whileHeld(one.services, 'batches', () => Promise.all([end(), end()]))).toEqual([
      woken,
      woken,
    ])
  })

  test('a step that begins just before its item is undone is among what is undone', async () => {
    const acts: string[] = []
    const one = await start(async (_, { step, sleep }) => {
      await step('a', async () => void acts.push('a'))
      await sleep('week', '7 days')
      return { text: 'x' }
    })
    await one.deliver({ until: () => acts.length === 1, concurrency: 1 })
    const { db } = one.services
    const at = { batchId: one.batchId, itemId: userId(1), attempt: 1 }
    const [begun, noted] = await whileHeld(one.services, 'batch_items', async () => {
      const beginning = beginStep(
        db,
        { ...at, name: 'late', undoable: false, turn: 0 },
        { token: crypto.randomUUID(), seconds: 60 },
      )
      await pause(300)
      return await Promise.all([
        beginning,
        noteUndoing(db, at, 'failed', { name: 'E', message: 'm', step: 's' }),
      ])
    })
    expect(begun).toMatchObject({ outcome: 'begun' })
    expect(noted?.map(({ name }) => name)).toContain('late')
  })

  test('two equal events at once both count', async () => {
    const one = await start(async (_, { sleep }) => {
      await sleep('week', '7 days')
      return { text: 'x' }
    })
    await one.runUntilWaiting()
    const to = { workflow: 'toy', itemId: userId(1), event: 'word' }
    const give = () => giveEvent(one.services.db, to, 'x', null)
    const given = await whileHeld(one.services, 'batch_items', () => Promise.all([give(), give()]))
    expect(given.flat().map(({ counts }) => counts)).toEqual([true, true])
  })

  test('nobody is told that something is approved whose item is just being undone', async () => {
    const one = await start(async (_, tools) => ({
      text: await approval(tools, 'review', { subject: 'x', details: {}, patience: '3 days' }),
    }))
    await one.runUntilWaiting()
    const { db } = one.services
    const held = db.batch([
      db.execute(sql`update batch_items set status = 'running', undoing = 'failed'`),
      db.execute(sql`select pg_sleep(1.5)`),
    ])
    await pause(300)
    const [decided] = await Promise.all([one.decide('approved'), held])
    expect(decided.status).toBe(409)
  })

  test('an undo that has ended meanwhile is not begun again', async () => {
    const left = sql`status = 'undoing', lease_until = now() - interval '1 second'`
    const end = sql`status = 'undone', lease_until = null, undone_at = now()`
    expect(await endedMeanwhile(left, end, beginUndo, 'failed')).toBe('done')
  })

  test('a step that has failed for good meanwhile is not begun again', async () => {
    const left = sql`status = 'running', lease_until = null, result = null`
    const end = sql`status = 'failed', error = '{"name":"E","message":"m","step":"a"}'`
    expect(await endedMeanwhile(left, end, beginStep, null)).toBe('failed')
  })
})
