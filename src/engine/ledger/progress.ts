import { sql, type SQL } from 'drizzle-orm'
import { z } from 'zod'
import type { Db } from '../../db/client.ts'
import { batchById, type BatchWithPlan } from './read-batches.ts'
import { changesAfter, type Change } from './read-changes.ts'
import { withoutSort } from './without-sort.ts'

/** The latest items that ended. */
const recentRow = z.object({
  /** How many ended in those seconds. */
  ended: z.int(),
  /** Since the batch began, went on after a stop, or the item before them ended. Null: it has not begun. */
  seconds: z.number().nullable(),
  /** Milliseconds of work of one item; null: none was worked on. */
  p50: z.number().nullable(),
  p95: z.number().nullable(),
})
export type Recent = z.output<typeof recentRow>

const most = 200

/** After `withoutSort`, reads at most 201 rows of the batch, from the end of the index on `ended_at`. */
export const recentStatement = (batchId: string): SQL => sql`
  with latest as materialized (
    select ended_at, work_ms from batch_items
    where batch_id = ${batchId}::uuid and ended_at is not null order by ended_at desc limit ${most + 1}
  ),
  since as materialized (
    select greatest(
      (select started_at from batches where id = ${batchId}::uuid),
      (
        select max(at) from changes
        where batch_id = ${batchId}::uuid and before->>'status' in ('paused', 'completed')
          and coalesce(after->>'status', 'running') = 'running'
      ),
      (select min(ended_at) from latest having count(*) > ${most})
    ) as at
  )
  select (count(*) filter (where l.ended_at > s.at))::int as ended,
    extract(epoch from now() - max(s.at))::float as seconds,
    percentile_disc(0.5) within group (order by l.work_ms) as p50,
    percentile_disc(0.95) within group (order by l.work_ms) as p95
  from since s left join latest l on true`

/** A batch, how fast its items end, and its changes. */
export type BatchNow = { batch: BatchWithPlan; recent: Recent; changes: Change[] }

/** All that a request reads is of one moment, or the counts would miss items that have ended. */
const oneMoment = sql`set transaction isolation level repeatable read, read only`

/** Reads a batch as it is now, in one request. Undefined: there is none. */
export async function batchNow(db: Db, id: string): Promise<Omit<BatchNow, 'changes'> | undefined> {
  const [, [batch], , { rows }] = await db.batch([
    db.execute(oneMoment),
    batchById(db, id),
    db.execute(withoutSort),
    db.execute(recentStatement(id)),
  ])
  return batch === undefined ? undefined : { batch, recent: recentRow.parse(rows[0]) }
}

/**
 * Reads a batch and the first `count` of its changes after an id, in one request. The batch comes first: if there are
 * fewer changes, they are all that had made it what it is.
 */
export async function batchSince(
  db: Db,
  id: string,
  after: number,
  count: number,
): Promise<BatchNow | undefined> {
  const [, [batch], changes, , { rows }] = await db.batch([
    db.execute(oneMoment),
    batchById(db, id),
    changesAfter(db, id, after, count),
    db.execute(withoutSort),
    db.execute(recentStatement(id)),
  ])
  return batch === undefined ? undefined : { batch, changes, recent: recentRow.parse(rows[0]) }
}
