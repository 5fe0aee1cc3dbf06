import { sql, type SQL } from 'drizzle-orm'

/** CTEs `batch` and, of its items, the one for which `which`, a condition on `batch_items i`, holds: locked in this order. */
export const lockItem = ({ batchId, itemId }: { batchId: string; itemId: string }, which: SQL): SQL => sql`
  batch as (select * from batches where id = ${batchId}::uuid for no key update),
  item as (
    select i.* from batch join batch_items i on i.batch_id = batch.id and i.item_id = ${itemId}
    where ${which} for no key update of i
  )`

/** Condition on `batch_items i`: a run is at this attempt of it. */
export const hasRun = (attempt: number): SQL =>
  sql`i.attempt = ${attempt} and i.status in ('running', 'waiting')`
