import { sql, type SQL } from 'drizzle-orm'
import { transact, type Db } from '../../db/client.ts'

/** CTEs `batch` and, of its items, the one for which `which`, a condition on `batch_items i`, holds: locked in this order. */
export const lockItem = ({ batchId, itemId }: { batchId: string; itemId: string }, which: SQL): SQL => sql`
  batch as (select * from batches where id = ${batchId}::uuid for no key update),
  item as (
    select i.* from batch join batch_items i on i.batch_id = batch.id and i.item_id = ${itemId}
    where ${which} for no key update of i
  )`

/** Runs a statement that sees everything which whoever held the item before has done to its steps. */
export async function afterLock(
  db: Db,
  item: { batchId: string; itemId: string },
  act: SQL,
): Promise<unknown[]> {
  const lock = sql`with ${lockItem(item, sql`true`)} select 1 from item`
  const [, rows] = await transact(db, lock, act)
  return rows
}

/** Condition on `batch_items i`: a run is at this attempt of it. */
export const hasRun = (attempt: number): SQL =>
  sql`i.attempt = ${attempt} and i.status in ('running', 'waiting')`
