import { sql, type SQL } from 'drizzle-orm'
import { logHealedItems } from './log-heal.ts'

/**
 * The second statement of a transaction whose first has locked the batch: ends the items of a cancelled batch that are
 * queued, or whose worker is dead. It returns those that no delivery had ever reached, as `{ id, attempt }`.
 *
 * @param wanted.which condition on `batch_items i`.
 * @param wanted.heals each item is logged as healed.
 */
export const dropItems = (batchId: string, wanted: { which: SQL; heals: boolean }): SQL => sql`
  with item as (
    select i.batch_id, i.item_id, i.status, b.workflow from batches b join batch_items i on i.batch_id = b.id
    where b.id = ${batchId}::uuid and b.status = 'cancelled' and ${wanted.which}
      and (i.status = 'queued' or (i.status = 'running' and i.lease_until <= now()))
  ),
  dropped as (
    update batch_items i set status = 'cancelled', token = null, lease_until = null, ended_at = now()
    from item where i.batch_id = item.batch_id and i.item_id = item.item_id
    returning i.batch_id, i.workflow, i.item_id, i.attempt, i.claims, item.status as was
  ),
  kept as (
    update batch_items i set retry = false where i.batch_id = ${batchId}::uuid and i.retry
  ),
  counted as (
    update batches b set cancelled = b.cancelled + n, running = b.running - stopped
    from (select count(*)::int as n, (count(*) filter (where was = 'running'))::int as stopped from dropped) c
    where b.id = ${batchId}::uuid and n > 0
  ),
  logged as (
    ${logHealedItems('heal.cancelled-item', sql`dropped where ${wanted.heals}::boolean`)}
  )
  select item_id as id, attempt from dropped where claims = 0`
