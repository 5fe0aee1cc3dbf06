import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { transact, type Db } from '../../db/client.ts'
import { logBatchChange, type By } from './changes.ts'
import type { DueItem } from './due-items.ts'

const row = z.object({ id: z.string(), attempt: z.int() })

/**
 * Ends an active or queued batch and every item of it that has not started or whose worker is dead.
 *
 * @returns the items that no delivery had ever reached: their runs have nothing to do any more. Undefined: it was not
 * active; items that an earlier cancel left behind are ended all the same.
 */
export async function cancelBatch(db: Db, batchId: string, by: By): Promise<DueItem[] | undefined> {
  const close = sql`
    with was as (select * from batches where id = ${batchId}::uuid for no key update),
    closed as (
      update batches b set
        status = 'cancelled', reason = ${by.reason}, paused_by = null, awaiting_room = false, retrying = 0,
        ended_at = now()
      from was where b.id = was.id and was.status in ('queued', 'starting', 'running', 'paused')
      returning b.*
    )
    ${logBatchChange(by, sql`'batch.cancel'`, sql.raw('was'), sql.raw('b'), sql`closed b join was on true`)}
    returning id`
  const drop = sql`
    with item as (
      select i.batch_id, i.item_id, i.status from batches b join batch_items i on i.batch_id = b.id
      where b.id = ${batchId}::uuid and b.status = 'cancelled'
        and (i.status = 'queued' or (i.status = 'running' and i.lease_until <= now()))
    ),
    dropped as (
      update batch_items i set status = 'cancelled', token = null, lease_until = null, ended_at = now()
      from item where i.batch_id = item.batch_id and i.item_id = item.item_id
      returning i.item_id, i.attempt, i.claims, item.status as was
    ),
    kept as (
      update batch_items i set retry = false where i.batch_id = ${batchId}::uuid and i.retry
    ),
    counted as (
      update batches b set cancelled = b.cancelled + n, running = b.running - stopped
      from (select count(*)::int as n, (count(*) filter (where was = 'running'))::int as stopped from dropped) c
      where b.id = ${batchId}::uuid and n > 0
    )
    select item_id as id, attempt from dropped where claims = 0`
  const [closed, untouched] = await transact(db, close, drop)
  return closed.length === 0 ? undefined : untouched.map((item) => row.parse(item))
}
