import { sql, type SQL } from 'drizzle-orm'
import { isOwed, someStep } from './item-steps/recorded.ts'
import { unfinished } from './needs-work.ts'

const i = sql.raw('i')

const isOwing = sql`(i.status = 'failed' and ${someStep(i, isOwed)})`

/** Of a batch `b`: something of it stands that was to be undone. */
export const owesUndos = sql`exists (select 1 from batch_items i where i.batch_id = b.id and ${isOwing})`

/** What a failed item `i` has done was to be undone and stands, and no other batch is at it since. */
export const couldNotBeUndone = sql`(${isOwing} and not exists (
  select 1 from batch_items h where h.workflow = i.workflow and h.scope = i.scope and h.item_id = i.item_id
    and h.status in ${unfinished}))`

/** CTE `undone_again`: takes up the undoing of the `chosen` items, if `batch` is cancelled. */
export const undoneAgain = (batchId: string): SQL => sql`
  undone_again as (
    update batch_items i set
      status = 'queued', attempt = i.attempt + 1, retried_attempt = i.attempt + 1, undoing = 'cancelled', renewals = 0,
      error = null, fingerprint = null, acted = false, ended_at = null, queued_at = now()
    from chosen c, batch
    where batch.status = 'cancelled' and i.batch_id = ${batchId}::uuid and i.item_id = c.item_id
    returning i.item_id, i.page
  )`

/** The page of `batch` to trigger, if that is cancelled: also for what an earlier request has taken up. */
export const pageToUndo = sql`case when batch.status = 'cancelled' then least(
  (select min(page) from undone_again),
  (select min(i.page) from batch_items i where i.batch_id = batch.id and i.status = 'queued' and i.undoing is not null)) end`
