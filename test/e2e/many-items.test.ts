import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { withDatabase } from '../local/seed/seed-database.ts'
import { alone } from '../support/deployed.ts'
import { deployment } from './deployment.ts'

// As many as a real PostgreSQL handles in the time that PGlite takes for the fewer.
const items = process.env.LOCAL_POSTGRES_URL === undefined ? 500 : 2000
// 120 items a second, so that there is a middle to interfere in.
const { call, batch, stack } = await deployment({
  population: { users: items * 1.2, agents: 0 },
  flowControlFactor: 50,
  serve: alone,
})

const start = '/api/admin/workflows/welcome-placeholder/batches'

async function startBatch(body: Record<string, unknown> = {}): Promise<string> {
  const answer = await call('POST', start, { force: true, limit: items, maxOutstanding: 100, ...body })
  expect(answer.status).toBe(201)
  return z.object({ id: z.string() }).parse(answer.body).id
}

async function until(id: string, condition: (batch_: Awaited<ReturnType<typeof batch>>) => boolean) {
  for (;;) {
    const now = await batch(id)
    if (condition(now)) return now
    await sleep(200)
  }
}

/** The most items of a batch that were outstanding, as QStash and the ledger count them, while `during` runs. */
async function mostOutstanding(id: string, during: () => Promise<void>) {
  const most = { qstash: 0, ledger: 0 }
  const errors: unknown[] = []
  const look = async () => {
    // A run whose step is done only has to end: its item has ended.
    const runs = stack.qstash
      .runs({ label: 'local.welcome-placeholder.execute', state: 'RUN_STARTED' })
      .filter(({ steps }) => !steps.some((group) => group.steps.some(({ stepType }) => stepType === 'Run')))
    most.qstash = Math.max(most.qstash, runs.length)
    const { recorded, succeeded, skipped, failed, cancelled } = (await batch(id)).counts
    most.ledger = Math.max(most.ledger, recorded - succeeded - skipped - failed - cancelled)
  }
  const looking = setInterval(() => {
    look().catch((error: unknown) => errors.push(error))
  }, 200)
  await during()
  clearInterval(looking)
  expect(errors).toEqual([])
  return most
}

/** Items that began after a time. */
const startedSince = (ms: number) =>
  withDatabase(stack.neon.postgresUrl, async (db) => {
    const { rows } = await db.execute(
      `select count(*)::int as n from batch_items where started_at > to_timestamp(${ms / 1000})`,
    )
    return z.object({ n: z.int() }).parse(rows[0]).n
  })

const proofOf = async (id: string) => (await call('GET', `/api/admin/batches/${id}/proof`)).body

test(`${items} items: a pause stops new starts, a resume finishes, and the proof balances`, async () => {
  const id = await startBatch()
  const most = await mostOutstanding(id, async () => {
    await until(id, ({ counts }) => counts.succeeded >= items / 5)
    const paused = await call('POST', `/api/admin/batches/${id}/pause`, { reason: 'a look at it' })
    const answered = Date.now()
    expect(paused.status).toBe(200)
    await stack.qstash.idle({ timeoutMs: 30_000 })
    expect(await startedSince(answered)).toBe(0)
    const { counts, status } = await batch(id)
    expect(status).toBe('paused')
    expect(counts.succeeded).toBeLessThan(items)
    expect((await call('POST', `/api/admin/batches/${id}/resume`)).status).toBe(200)
    await until(id, (now) => now.status === 'completed')
  })
  await stack.qstash.idle({ timeoutMs: 30_000 })

  expect(most.ledger).toBeLessThanOrEqual(100)
  expect(most.qstash).toBeLessThanOrEqual(100)
  expect(most.qstash).toBeGreaterThan(20)
  expect((await batch(id)).counts).toMatchObject({ recorded: items, succeeded: items })
  expect(stack.model.stats().requests).toBe(items)
  expect(await proofOf(id)).toMatchObject({ balanced: true })
}, 180_000)

test(`${items} items: a cancel at half-way balances`, async () => {
  const id = await startBatch()
  await until(id, ({ counts }) => counts.succeeded >= items / 2)
  // Slowly from here, so that there is something left to cancel: a fast machine may have begun all that is recorded.
  const slowly = { rate: 4, parallelism: 1 }
  expect((await call('PATCH', `/api/admin/batches/${id}`, slowly)).status).toBe(200)
  await until(id, ({ counts: { recorded, succeeded } }) => recorded - succeeded >= 50)
  expect((await call('POST', `/api/admin/batches/${id}/cancel`)).status).toBe(200)
  const answered = Date.now()
  await stack.qstash.idle({ timeoutMs: 30_000 })
  expect(await startedSince(answered)).toBe(0)
  const { status, counts } = await batch(id)
  expect(status).toBe('cancelled')
  expect(counts.cancelled).toBeGreaterThan(0)
  expect(counts.succeeded + counts.cancelled).toBe(counts.recorded)
  expect(await proofOf(id)).toMatchObject({ balanced: true })
}, 120_000)
