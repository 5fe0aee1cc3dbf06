import { sql } from 'drizzle-orm'
import { transact, type Db } from '../../db/client.ts'

/**
 * Ends an active batch and every item of it that has not started or whose worker is dead. False: it was not active;
 * items that an earlier cancel left behind are ended all the same.
 */
export async function cancelBatch(db: Db, batchId: string): Promise<boolean> {
  const close = sql`
    update batches set status = 'cancelled', reason = null, awaiting_room = false, ended_at = now()
    where id = ${batchId}::uuid and status in ('starting', 'running', 'paused')
    returning id`
  const drop = sql`
    with batch as (select id from batches where id = ${batchId}::uuid and status = 'cancelled' for update),
    dropped as (
      update batch_items i set status = 'cancelled', token = null, lease_until = null, ended_at = now()
      from batch where i.batch_id = batch.id
        and (i.status = 'queued' or (i.status = 'running' and i.lease_until <= now()))
      returning i.batch_id
    ),
    ended as (select batch_id, count(*)::int as n from dropped group by batch_id)
    update batches b set cancelled = b.cancelled + e.n from ended e where b.id = e.batch_id`
  const [closed] = await transact(db, close, drop)
  return closed.length > 0
}
