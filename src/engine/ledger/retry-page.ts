import { sql } from 'drizzle-orm'
import { queryRows, type Db } from '../../db/client.ts'
import { currentHandler, type Workflow } from '../../workflows/contract.ts'
import { advance } from './advance.ts'
import { killed, outstandingOf, roomFor } from './bounds.ts'
import { newRound } from './item-steps/begin-step.ts'
import {
  handlerChanged,
  hasStepsThatStand,
  isOwed,
  isStuck,
  someStep,
  undoFailed,
} from './item-steps/recorded.ts'
import { unfinished } from './needs-work.ts'
import { recordedRow, type RecordedPage } from './record-page.ts'

const batch = sql.raw('batch')
const i = sql.raw('i')

/** It goes on from where it was, as if it had not failed. */
const goesOn = sql`(i.error->>'name' is not distinct from ${handlerChanged} and ${hasStepsThatStand(i)})`

/** Something that it has done could not be undone when it failed: that comes first. */
const isHalfUndone = sql`(i.error->>'name' is distinct from ${handlerChanged}
  and ${someStep(i, sql`(${isStuck} or (i.error->>'name' = ${undoFailed} and ${isOwed}))`)})`

/** CTEs: `items` begins the `marked` items, in the page that is `recorded`, with a new attempt; `left_failed`: those that are held. */
const begun = (workflow: Workflow, page: number) => sql`
    items as (
      update batch_items i set
        retry = false, status = 'queued', attempt = i.attempt + 1, page = ${page}::int,
        retried_attempt = case when m.goes_on then i.retried_attempt else i.attempt + 1 end,
        undoing = case when m.half_undone then 'retry' end, error = case when m.half_undone then i.error end, fingerprint = null,
        ended_at = null, acted = false, renewals = 0, queued_at = now(),
        handler = case when m.stands then i.handler else ${currentHandler(workflow)}::int end
      from marked m, recorded r where i.batch_id = r.batch_id and i.item_id = m.item_id and not m.held
      returning i.batch_id, i.item_id, i.attempt, not m.goes_on as begins_anew
    ),
    left_failed as (
      update batch_items i set retry = false from marked m, recorded r
      where i.batch_id = r.batch_id and i.item_id = m.item_id and m.held
      returning i.item_id
    )`

/** CTE: what was waited for as the answer to a step that is begun anew does not stand any more. */
const voided = sql`
  voided as (
    update item_steps w set status = 'undone', undone_at = now()
    from items i where i.begins_anew and w.batch_id = i.batch_id and w.item_id = i.item_id
      and w.status in ('waiting', 'given', 'done') and ${someStep(i, sql`t.name = w.answer_to and ${newRound}`)}
  )`

/**
 * Records a page of failed items that are to be tried again, each with a new attempt. An item that another batch holds
 * by now stays failed. Parks the batch, and says undefined, like `recordPage`.
 */
export async function recordRetryPage(
  db: Db,
  workflow: Workflow,
  at: { batchId: string; page: number; cursor: string | null },
): Promise<RecordedPage | undefined> {
  const { batchId, page, cursor } = at
  const { pageSize } = workflow
  const statement = sql`
    with batch as (
      select * from batches
      where id = ${batchId}::uuid and status = 'running' and pages = ${page - 1} and retrying > 0
        and not ${killed(sql.raw('batches'))}
      for no key update
    ),
    room as (select id from batch where ${roomFor(batch, outstandingOf(batch), pageSize)}),
    marked as (
      select i.item_id, exists (
          select 1 from batch_items h where h.workflow = i.workflow and h.scope = i.scope and h.item_id = i.item_id
            and h.status in ${unfinished}) as held,
        ${goesOn} as goes_on, ${isHalfUndone} as half_undone, ${hasStepsThatStand(i)} as stands
      from room join batch_items i on i.batch_id = room.id and i.retry
      order by i.item_id limit (select least(${pageSize}::int, max_outstanding) from batch)
      for no key update of i
    ),
    recorded as (
      insert into batch_pages (batch_id, number, last_id, skipped)
      select room.id, ${page}::int, ${cursor}, (select count(*)::int from marked where held) from room
      on conflict do nothing
      returning *
    ),
    ${begun(workflow, page)},
    ${voided},
    ${advance(pageSize, {
      recorded: sql`0`,
      more: sql`true`,
      requeued: sql`select count(*)::int from items`,
      // A mark that is missing must not make pages without end.
      unmarked: sql`select case
        when exists (select 1 from recorded) and not exists (select 1 from marked) then batch.retrying
        else (select count(*)::int from items) + (select count(*)::int from left_failed) end`,
    })}
    select
      coalesce((
        select jsonb_agg(jsonb_build_object('id', item_id, 'attempt', attempt) order by item_id)
        from items), '[]') as items,
      recorded.skipped, recorded.last_id as "nextCursor", batch.attempt, advanced.status as "batchStatus",
      (not advanced.exhausted or advanced.retrying > 0) and not advanced.awaiting_room as "goesOn"
    from recorded join batch on true join advanced on advanced.page_recorded`
  const [recorded] = await queryRows(db, statement, recordedRow)
  return recorded
}
