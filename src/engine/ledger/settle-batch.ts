import { sql, type SQL } from 'drizzle-orm'

/** A page to trigger, with the batch's attempt. */
export type NextPage = { page: number; attempt: number }

/** Items of the batch row `b` that are neither ended nor cancelled, after `ended` more of them ended. */
const outstanding = (ended: SQL) =>
  sql`(b.recorded - b.succeeded - b.skipped - b.failed - b.cancelled - ${ended})`

/**
 * CTEs `ended` and `settled`: move the batch's counters by the items that the CTE `moved(batch_id, status)` has just
 * ended, close the batch with its last item, and say in `next_page` which page this made room for.
 *
 * The statement must have locked the batch row before it touched an item, in a CTE `batch`, so that no two statements
 * wait for each other. The counts are joined and not sub-selected, because a row that changed while this statement
 * waited is evaluated again, and a data-modifying CTE cannot be.
 */
export const settleBatch = (pageSize: number): SQL => sql`
  ended as (
    select batch_id, count(*)::int as n,
      (count(*) filter (where status = 'succeeded'))::int as succeeded,
      (count(*) filter (where status = 'skipped'))::int as skipped,
      (count(*) filter (where status = 'failed'))::int as failed,
      (count(*) filter (where status = 'cancelled'))::int as cancelled
    from moved group by batch_id
  ),
  settled as (
    update batches b set
      succeeded = b.succeeded + e.succeeded, skipped = b.skipped + e.skipped,
      failed = b.failed + e.failed, cancelled = b.cancelled + e.cancelled,
      status = case when ${closes} then 'completed' else b.status end,
      ended_at = case when ${closes} then now() else b.ended_at end,
      awaiting_room = b.awaiting_room and not ${hasRoom(pageSize)}
    from ended e where b.id = e.batch_id
    returning b.id, b.pages, b.awaiting_room
  ),
  next_page as (
    select s.pages + 1 as number from settled s join batch on batch.id = s.id
    where batch.awaiting_room and not s.awaiting_room
  )`

const closes = sql`(b.status in ('running', 'paused') and b.exhausted and ${outstanding(sql`e.n`)} = 0)`

const hasRoom = (pageSize: number) => sql`(
  b.status = 'running' and not b.exhausted
  and ${outstanding(sql`e.n`)} + least(${pageSize}::int, b.max_outstanding) <= b.max_outstanding)`
