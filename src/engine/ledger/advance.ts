import { sql, type SQL } from 'drizzle-orm'
import { logBatchChange, rounds } from './changes.ts'
import { isComplete, outstandingOf } from './bounds.ts'

/**
 * CTEs that follow `batch`, the locked batch row, and `recorded`, the page's row if it was recorded: they move the
 * batch past the page, close it when nothing is left, or mark it to wait for room.
 *
 * @param moved.recorded items that the page added to the batch.
 * @param moved.more the population has more rows to read.
 * @param moved.requeued failed items that the page queued again, of those `moved.unmarked` that waited for it.
 */
export const advance = (
  pageSize: number,
  moved: { recorded: SQL; more: SQL; requeued?: SQL; unmarked?: SQL },
): SQL => sql`
  progress as materialized (
    select batch.id, recorded.batch_id is not null as page_recorded, (${moved.more}) as more,
      (${moved.recorded}) as n, (${moved.requeued ?? sql`0`}) as requeued, (${moved.unmarked ?? sql`0`}) as unmarked
    from batch left join recorded on true
  ),
  advanced as (
    update batches b set
      pages = b.pages + p.page_recorded::int,
      attempt = b.attempt + (not p.page_recorded)::int,
      recorded = b.recorded + p.n,
      failed = b.failed - p.requeued,
      retrying = b.retrying - p.unmarked,
      exhausted = ${exhausts},
      status = case when ${closes} then 'completed' else b.status end,
      ended_at = case when ${closes} then now() else b.ended_at end,
      awaiting_room = ${goesOn}
        and (${outstanding} + least(${pageSize}::int, b.max_outstanding) > b.max_outstanding or ${canaryHolds})
    from progress p where b.id = p.id
    returning b.*, p.page_recorded
  ),
  logged as (
    ${logBatchChange(rounds, sql`'batch.complete'`, sql.raw('batch'), sql.raw('a'), sql`advanced a join batch on a.status <> batch.status`)}
  )`

const exhausts = sql`(b.exhausted or (p.page_recorded and (not p.more or (b.recorded + p.n >= b.item_limit) is true)))`
const goesOn = sql`(not ${exhausts} or b.retrying > p.unmarked)`
const outstanding = sql`(${outstandingOf(sql.raw('b'))} + p.n + p.requeued)`
const closes = sql`(not ${goesOn} and ${isComplete(sql.raw('b'), outstanding)})`
const canaryHolds = sql`(
  b.canary_verdict is not distinct from 'pending' and b.retrying = p.unmarked and b.recorded + p.n - b.prepared >= b.canary_items)`
