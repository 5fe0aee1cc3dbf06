import { sql } from 'drizzle-orm'
import { transact, type Db } from '../../db/client.ts'
import { logBatchChange, type By } from './changes.ts'
import { dropItems, parseDropped, type Dropped } from './drop-items.ts'
import { unfinished } from './needs-work.ts'

/**
 * Ends an active or queued batch, or a completed one that still has items, and every item of it that has not started or
 * whose worker is dead. Durable items that have begun are undone.
 *
 * @returns `isNew`: it was active; items that an earlier cancel left behind are ended all the same.
 */
export async function cancelBatch(db: Db, batchId: string, by: By): Promise<Dropped & { isNew: boolean }> {
  const close = sql`
    with was as (select * from batches where id = ${batchId}::uuid for no key update),
    closed as (
      update batches b set
        attempt = b.attempt + 1, status = 'cancelled', reason = ${by.reason}, paused_by = null, awaiting_room = false, retrying = 0,
        ended_at = now()
      from was where b.id = was.id and (was.status in ('queued', 'starting', 'running', 'paused')
        or (was.status = 'completed' and exists (
          select 1 from batch_items i where i.batch_id = was.id and i.status in ${unfinished})))
      returning b.*
    )
    ${logBatchChange(by, sql`'batch.cancel'`, sql.raw('was'), sql.raw('b'), sql`closed b join was on true`)}
    returning id`
  const drop = dropItems(batchId, { which: sql`true`, heals: false })
  const [closed, [dropped]] = await transact(db, close, drop)
  return { isNew: closed.length > 0, ...parseDropped(dropped) }
}
