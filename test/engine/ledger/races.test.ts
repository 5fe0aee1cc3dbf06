import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { users } from '../../../src/db/schema.ts'
import { cancelBatch } from '../../../src/engine/ledger/cancel-batch.ts'
import { abandonItem, saveItem } from '../../../src/engine/ledger/end-item.ts'
import { openBatch } from '../../../src/engine/ledger/open-batch.ts'
import { pauseBatch } from '../../../src/engine/ledger/pause-batch.ts'
import { recordPage } from '../../../src/engine/ledger/record-page.ts'
import { resumeBatch } from '../../../src/engine/ledger/resume-batch.ts'
import { retryFailed } from '../../../src/engine/ledger/retry-failed.ts'
import { insertUsers, userId } from '../../support/population.ts'
import { resetEverything } from '../../support/rounds.ts'
import { toyWorkflow } from '../../support/toy.ts'
import {
  again,
  audit,
  begunBatch,
  by,
  claim,
  done,
  failed,
  newBatch,
  nothingUsed,
  record,
  runningBatch,
  selection,
  services,
  times,
  workOn,
} from './ledger.ts'
import { lane } from '../../support/lane.ts'

beforeEach(resetEverything)

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

describe('at the same time', () => {
  test('ten starts with the same key and ten with others open one batch', async () => {
    const opened = await times(20, (n) =>
      openBatch(services.db, newBatch(n % 2 === 0 ? 'same' : `other ${n}`)),
    )
    expect(opened.filter(({ outcome }) => outcome === 'opened').length).toBe(1)
    expect(new Set(opened.map(({ batch }) => batch.id)).size).toBe(1)
  })

  test('ten deliveries of a page record it once', async () => {
    const { db } = services
    await insertUsers(db, 250)
    const batchId = await begunBatch(db, 'one')
    const recorded = await times(10, () => record(db, batchId, 1, null))
    expect(recorded.filter((page) => page !== undefined).length).toBe(1)
    expect(await audit(db, batchId)).toMatchObject({ recorded: 100, items: 100 })
  })

  test('twenty deliveries of an item give it to one of them', async () => {
    const { db } = services
    const batchId = await runningBatch(db, 1)
    const claims = await times(20, () => claim(db, batchId, userId(1)))
    expect(claims.filter(({ outcome }) => outcome === 'claimed').length).toBe(1)
    expect(claims.filter(({ outcome }) => outcome === 'busy').length).toBe(19)
  })

  test.each([
    ['twenty saves', () => false],
    ['ten saves and ten ends by its failed run', (n: number) => n % 2 === 1],
  ])('%s of an item end it once', async (_, isAbandoned) => {
    const { db } = services
    const batchId = await runningBatch(db, 2)
    const claimed = await claim(db, batchId, userId(1))
    if (claimed.outcome !== 'claimed') throw new Error(claimed.outcome)
    const item = { batchId, itemId: userId(1), token: claimed.token, attempt: 1, pageSize: 100 }
    const ends = await times(20, (n) =>
      isAbandoned(n) ? abandonItem(db, item, failed) : saveItem(db, item, done, nothingUsed),
    )
    expect(ends.filter((end) => end !== undefined).length).toBe(1)
    const { succeeded, itemsSucceeded, itemsFailed, results } = await audit(db, batchId)
    expect(Number(itemsSucceeded) + Number(itemsFailed)).toBe(1)
    expect([itemsSucceeded, results]).toEqual([succeeded, succeeded])
  })

  test('a hundred items end, and exactly one of them closes the batch', async () => {
    const { db } = services
    const batchId = await runningBatch(db, 100)
    await times(100, (n) => workOn(db, batchId, userId(n + 1), n % 10 === 0 ? failed : done))
    expect(await audit(db, batchId)).toMatchObject({
      status: 'completed',
      recorded: 100,
      succeeded: 90,
      failed: 10,
      itemsSucceeded: 90,
      itemsFailed: 10,
      results: 90,
    })
  })

  test('pages are recorded while items end, and neither loses count', async () => {
    const { db } = services
    await insertUsers(db, 200)
    const batchId = await begunBatch(db, 'one')
    const ends: Promise<boolean>[] = []
    let cursor: string | null = null
    for (let page = 1; page <= 40; page += 1) {
      const recorded = await record(db, batchId, page, cursor, 5)
      cursor = recorded?.nextCursor ?? cursor
      for (const { id } of recorded?.items ?? []) ends.push(workOn(db, batchId, id))
    }
    await Promise.all(ends)
    expect(await audit(db, batchId)).toMatchObject({
      status: 'completed',
      recorded: 200,
      succeeded: 200,
      itemsSucceeded: 200,
    })
  })

  test('duplicates, errors, pauses and resumes leave counters and items in agreement', async () => {
    const { db } = services
    const batchId = await runningBatch(db, 60)
    // Counts up with every pause and resume; odd while the gate is closed.
    let gate = 0
    const lateStarts: string[] = []
    const handle = async (itemId: string) => {
      for (let round = 0; round < 200; round += 1) {
        const before = gate
        const { rows } = await db.execute(
          sql`select attempt, status from batch_items where batch_id = ${batchId}::uuid and item_id = ${itemId}`,
        )
        if (!['queued', 'running'].includes(String(rows[0]?.status))) return
        const claimed = await claim(db, batchId, itemId, Number(rows[0]?.attempt))
        if (claimed.outcome !== 'claimed') {
          await pause(20)
          continue
        }
        if (before % 2 === 1 && before === gate) lateStarts.push(itemId)
        const item = { batchId, itemId, token: claimed.token, pageSize: 100 }
        await saveItem(db, item, round % 3 === 0 ? again : done, nothingUsed)
      }
      throw new Error(`${itemId} never ended`)
    }
    const switching = (async () => {
      for (let round = 0; round < 6; round += 1) {
        if (!(await pauseBatch(db, batchId, 'operator', by))) return
        gate += 1
        await pause(20)
        gate += 1
        await resumeBatch(db, batchId, by)
      }
    })()
    await Promise.all([switching, times(120, (n) => handle(userId((n % 60) + 1)))])
    expect(lateStarts).toEqual([])
    expect(await audit(db, batchId)).toMatchObject({
      status: 'completed',
      recorded: 60,
      succeeded: 60,
      itemsSucceeded: 60,
      results: 60,
    })
  })

  test('a cancel and the ends of items add up', async () => {
    const { db } = services
    const batchId = await runningBatch(db, 100)
    const work = times(100, (n) => workOn(db, batchId, userId(n + 1)))
    await pause(30)
    expect(await cancelBatch(db, batchId, by)).toMatchObject({ isNew: true })
    await work
    const counts = await audit(db, batchId)
    expect(counts).toMatchObject({ status: 'cancelled', recorded: 100, results: counts.succeeded })
    expect(counts.itemsSucceeded).toBe(counts.succeeded)
    expect(counts.itemsCancelled).toBe(counts.cancelled)
    expect(Number(counts.succeeded) + Number(counts.cancelled)).toBe(100)
  })

  test('a cancel and the record of a page leave no item behind', async () => {
    const { db } = services
    await insertUsers(db, 50)
    for (let round = 0; round < 20; round += 1) {
      const batchId = await begunBatch(db, `round ${round}`)
      const [, cancelled] = await Promise.all([record(db, batchId, 1, null), cancelBatch(db, batchId, by)])
      expect(cancelled).toBeDefined()
      const counts = await audit(db, batchId)
      expect(counts.itemsCancelled).toBe(counts.items)
      expect(counts.cancelled).toBe(counts.recorded)
    }
  })

  // On PGlite a pause would wait for any statement.
  test.runIf(lane.postgres === 'PostgreSQL')('a slow population holds up no pause and no claim', async () => {
    const { db } = services
    const slow = toyWorkflow(() => Promise.resolve({ text: '' }), {
      pageSize: 100,
      population: (tools) =>
        tools.db
          .select({ id: users.id, version: sql<string>`'1'`.as('version') })
          .from(users)
          .where(sql`pg_sleep(0.02) is not null`),
    })
    const batchId = await runningBatch(db, 150)
    const reading = recordPage(
      db,
      { batchId, page: 2, cursor: userId(100), size: 100 },
      { ...selection, workflow: slow },
    )
    expect((await claim(db, batchId, userId(1))).outcome).toBe('claimed')
    expect(await pauseBatch(db, batchId, 'operator', by)).toBe(true)
    expect(await Promise.race([reading.then(() => 'read'), Promise.resolve('reading')])).toBe('reading')
    expect(await reading).toBeUndefined()
    expect(await audit(db, batchId)).toMatchObject({ status: 'paused', recorded: 100 })
  })
})

test('a retry that a start outruns finds the workflow busy', async () => {
  const { db } = services
  const batchId = await runningBatch(db, 1)
  await workOn(db, batchId, userId(1), failed)
  const starting = db.execute(sql`
    insert into batches (id, workflow, scope, status, start_key, started_by, params, force, max_outstanding, parallelism,
      rate, item_tokens, item_usd)
    select gen_random_uuid(), workflow, scope, 'starting', 'faster', started_by, params, force, max_outstanding,
      parallelism, rate, item_tokens, item_usd from batches`)
  // It has not committed when the retry looks, and has when that would take its place.
  const committed = db.batch([starting, db.execute(sql`select pg_sleep(0.5)`)])
  await pause(200)
  const retried = await retryFailed(
    db,
    batchId,
    { filter: { all: true }, limit: null },
    {
      ...by,
      confirmed: false,
    },
  )
  await committed
  expect(retried.outcome).toBe('busy')
  expect(await audit(db, batchId)).toMatchObject({ status: 'completed', failed: 1 })
})
