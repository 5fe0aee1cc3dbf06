import { and, eq, sql } from 'drizzle-orm'
import { transact, type Db } from '../../db/client.ts'
import { batches } from '../../db/schema.ts'
import { inChunk, type Chunk } from './due-items.ts'

/** Closes the gate: what has started finishes, nothing else starts. False: the batch was not running. */
export async function pauseBatch(db: Db, batchId: string, reason: string | null): Promise<boolean> {
  const paused = await db
    .update(batches)
    .set({ status: 'paused', reason })
    .where(and(eq(batches.id, batchId), eq(batches.status, 'running')))
    .returning({ id: batches.id })
  return paused.length > 0
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
      ? sql`(b.pages in (${lost.page - 1}, ${lost.page}) and not b.exhausted and not b.awaiting_room)`
      : sql`false`
  const which = 'page' in lost ? sql`i.page >= ${lost.page}` : inChunk(lost)
  const lock = sql`select id from batches where id = ${batchId}::uuid for update`
  const judge = sql`
    update batches b set status = 'paused', reason = ${reason}
    where b.id = ${batchId}::uuid and b.status = 'running' and (${unread} or exists (
      select 1 from batch_items i where i.batch_id = b.id and i.status = 'queued' and ${which}))`
  await transact(db, lock, judge)
}
