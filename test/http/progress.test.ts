import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Db } from '../../src/db/client.ts'
import { recentStatement } from '../../src/engine/ledger/progress.ts'
import { withoutSort } from '../../src/engine/ledger/without-sort.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { runToy, started } from '../support/started.ts'
import { addUser } from '../workflows/records.ts'
import { bearer } from './bearer.ts'
import { expectError, invalidRequest, notFound } from './error-shape.ts'
import { insertBatch, insertItems } from './many-items.ts'

beforeEach(resetEverything)

const progressSchema = z.object({
  percent: z.number().nullable(),
  itemsPerSecond: z.number().nullable(),
  workMs: z.object({ p50: z.number(), p95: z.number() }).nullable(),
  etaSeconds: z.object({ seconds: z.number(), low: z.number(), high: z.number().nullable() }).nullable(),
})

async function progress(app: Pick<ReturnType<typeof rounds>, 'call'>, id: string) {
  const { body } = await app.call('GET', `/api/admin/batches/${id}`)
  return z.object({ progress: progressSchema }).parse(body).progress
}

const running = { status: 'running', endedAt: null } as const
const ago = (seconds: number) => sql`now() - make_interval(secs => ${seconds})`
const startedAgo = (db: Db, seconds: number) =>
  db.execute(sql`update batches set started_at = ${ago(seconds)}`)
const none = { itemsPerSecond: null, etaSeconds: null }

describe('the progress of a batch', () => {
  test('is unknown until it has a plan, whole at its end, and with the time of its work', async () => {
    const app = await started(3)
    expect(await progress(app, app.id)).toEqual({ ...none, percent: null, workMs: null })
    await app.deliver()
    const ended = await progress(app, app.id)
    expect(ended).toEqual({ ...none, percent: 100, workMs: expect.any(Object) })
    expect(ended.workMs?.p50).toBeLessThan(5000)
  })

  test('is whole when there is nothing to do', async () => {
    const { id, ...app } = await runToy(0, () => Promise.reject(new Error('nobody is there')))
    expect(await progress(app, id)).toEqual({ ...none, percent: 100, workMs: null })
  })

  test('of a running batch tells its pace and when it will end', async () => {
    const app = rounds()
    const id = await insertBatch(app.services.db, 1, 1000, running)
    await insertItems(app.services.db, id, { count: 100 })
    await insertItems(app.services.db, id, { count: 200, from: 101, status: 'queued' })
    await startedAgo(app.services.db, 100)
    const { percent, itemsPerSecond, workMs, etaSeconds } = await progress(app, id)
    expect({ percent, workMs }).toEqual({ percent: 10, workMs: { p50: 50, p95: 95 } })
    expect(itemsPerSecond).toBeCloseTo(1, 1)
    // 900 at 1 ± 0.196 a second.
    expect(etaSeconds?.seconds).toBeGreaterThan(880)
    expect(etaSeconds?.seconds).toBeLessThan(920)
    expect(etaSeconds?.low).toBeCloseTo(900 / 1.196, -2)
    expect(etaSeconds?.high).toBeCloseTo(900 / 0.804, -2)
  })

  test('tells the pace of the latest 200 items, not of the whole batch', async () => {
    const app = rounds()
    const id = await insertBatch(app.services.db, 1, 10_000, running)
    await insertItems(app.services.db, id, { count: 300, every: 100, endedAgo: 40 })
    await insertItems(app.services.db, id, { count: 200, from: 301, every: 0.1 })
    await startedAgo(app.services.db, 40_000)
    const { itemsPerSecond, workMs } = await progress(app, id)
    expect(workMs).toEqual({ p50: 400, p95: 490 })
    // 200 after the one that ended 40 s ago.
    expect(itemsPerSecond).toBeGreaterThan(4)
    expect(itemsPerSecond).toBeLessThan(5.1)
  })

  test('counts from when it went on after a pause, and says nothing meanwhile', async () => {
    const { id, act, ...app } = await started(10)
    await app.deliver({ until: () => app.worked.length >= 4 })
    await app.services.db.execute(sql`
      update batch_items set ended_at = ${ago(7200)} where ended_at is not null`)
    await startedAgo(app.services.db, 8000)
    expect((await progress(app, id)).itemsPerSecond).toBeLessThan(0.01)
    await act('pause')
    expect(await progress(app, id)).toMatchObject(none)
    await act('resume')
    expect(await progress(app, id)).toMatchObject({ itemsPerSecond: 0, etaSeconds: null })
    const before = app.worked.length
    await app.deliver({ concurrency: 1, until: () => app.worked.length > before + 1 })
    expect((await progress(app, id)).itemsPerSecond).toBeGreaterThan(0.01)
  })

  test('of failed items that are tried again goes back, and on from there', async () => {
    let broken = true
    const { id, ...app } = await runToy(10, (_, user) =>
      broken && user > 'u000005' ? Promise.reject(new Error('broken')) : Promise.resolve({ text: user }),
    )
    expect((await progress(app, id)).percent).toBe(100)
    broken = false
    await app.call('POST', `/api/admin/batches/${id}/retry`, { all: true })
    expect(await progress(app, id)).toMatchObject({ percent: 50, itemsPerSecond: 0 })
    await app.deliver()
    expect((await progress(app, id)).percent).toBe(100)
  })

  test('of a batch that was cancelled stays where it was', async () => {
    const app = rounds()
    for (const id of ['ada', 'bob']) await addUser(app.services.db, id)
    const id = await insertBatch(app.services.db, 1, 1000, { status: 'cancelled' })
    await insertItems(app.services.db, id, { count: 250, status: 'cancelled' })
    expect(await progress(app, id)).toMatchObject({ ...none, percent: 25 })
  })

  test('is for viewers too, and not in lists', async () => {
    const app = rounds()
    const id = await insertBatch(app.services.db, 1, 10)
    const viewer = await bearer(app, 'looker', 'viewer')
    const { body } = await app.call('GET', `/api/admin/batches/${id}`, undefined, viewer)
    expect(body).toHaveProperty('progress.percent', 0)
    const list = await app.call('GET', '/api/admin/batches')
    expect(JSON.stringify(list.body)).not.toContain('progress')
  })

  test('of a batch that is not there is refused', async () => {
    const app = rounds()
    const id = '01a00000-0000-7000-8000-00000000dead'
    expectError(await app.call('GET', `/api/admin/batches/${id}`), notFound)
    expectError(await app.call('GET', '/api/admin/batches/7'), invalidRequest)
  })
})

test('over many items reads no more than the latest', async () => {
  const { db } = rounds().services
  const id = await insertBatch(db, 1, 20_000, running)
  await insertItems(db, id, { count: 20_000, every: 0.001 })
  await insertItems(db, id, { count: 1000, from: 20_001, status: 'queued' })
  for (const analyzed of [false, true]) {
    if (analyzed) await db.execute(sql`analyze batch_items`)
    const explained = sql`explain (analyze, format json) ${recentStatement(id)}`
    const [, { rows }] = await db.batch([db.execute(withoutSort), db.execute(explained)])
    expect(scans(rows)).toEqual([{ rows: 201, removed: 0 }])
  }
})

const scan = z.object({
  'Relation Name': z.literal('batch_items'),
  'Actual Rows': z.number(),
  'Rows Removed by Filter': z.number().default(0),
})

/** How many items each scan of a plan read, and how many of them in vain. */
function scans(plan: unknown): { rows: number; removed: number }[] {
  if (typeof plan !== 'object' || plan === null) return []
  const { data } = scan.safeParse(plan)
  const own =
    data === undefined ? [] : [{ rows: data['Actual Rows'], removed: data['Rows Removed by Filter'] }]
  return [...own, ...Object.values(plan).flatMap(scans)]
}
