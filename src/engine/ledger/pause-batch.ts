import { sql } from 'drizzle-orm'
import { transact, type Db } from '../../db/client.ts'
import { lastsOn, morePages, statusPaused } from './bounds.ts'
import { logBatchChange, rounds, type By } from './changes.ts'
import { inChunk, type Chunk } from './due-items.ts'

const b = sql.raw('b')
const was = sql.raw('was')

/**
 * Closes the gate: what has started finishes, nothing else starts. An operator's pause also takes the place of another,
 * so that a larger budget does not open the gate again. A batch in `starting` is paused when it begins; one that is
 * complete stays so, and what lasts on of it is held. False: there was nothing to pause.
 */
export async function pauseBatch(
  db: Db,
  batchId: string,
  pausedBy: 'operator' | 'lost_run',
  by: By,
): Promise<boolean> {
  // Before it is judged: what it waits for may be a resume.
  const lock = sql`select id from batches where id = ${batchId}::uuid for no key update`
  const pause = sql`
    with was as (
      select * from batches where id = ${batchId}::uuid and (status = 'running' or (
        ${pausedBy} = 'operator' and (status in ('starting', 'paused') or ${lastsOn(sql.raw('batches'))})
        and paused_by is distinct from 'operator'))
    ),
    paused as (
      update batches b set
        status = ${statusPaused(was)},
        paused_by = ${pausedBy}, reason = ${by.reason}
      from was where b.id = was.id returning b.*
    )
    ${logBatchChange(by, sql`'batch.pause'`, was, b, sql`paused b join was on true`)}
    returning id`
  const [, rows] = await transact(db, lock, pause)
  return rows.length > 0
}

/**
 * Pauses a batch when a run of layer 2 that failed for good may have left something undone: items without their runs,
 * its page or the one after it unread.
 */
export async function pauseForLostRun(
  db: Db,
  batchId: string,
  lost: { page: number } | Chunk,
  reason: string,
): Promise<void> {
  const unread =
    'page' in lost
      ? sql`(b.pages in (${lost.page - 1}, ${lost.page}) and ${morePages(b)} and not b.awaiting_room)`
      : sql`false`
  const which = 'page' in lost ? sql`i.page >= ${lost.page}` : inChunk(lost)
  const lock = sql`select id from batches where id = ${batchId}::uuid for no key update`
  const judge = sql`
    with was as (select * from batches where id = ${batchId}::uuid),
    paused as (
      update batches b set status = 'paused', paused_by = 'lost_run', reason = ${reason}
      where b.id = ${batchId}::uuid and b.status = 'running' and (${unread} or exists (
        select 1 from batch_items i where i.batch_id = b.id and i.status = 'queued' and ${which}))
      returning b.*
    )
    ${logBatchChange({ ...rounds, reason }, sql`'batch.pause'`, was, b, sql`paused b join was on true`)}`
  await transact(db, lock, judge)
}
