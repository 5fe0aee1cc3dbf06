import { sql } from 'drizzle-orm'
import type { Db } from '../../db/client.ts'
import { population, type Selection } from './needs-work.ts'

/**
 * Gives queued items that were recorded long ago the version that their rows have now: the work reads those rows, and a
 * result stored under an older version would be bought again. A row that has left the population keeps the version.
 */
export async function refreshVersions(
  db: Db,
  batchId: string,
  itemIds: readonly string[],
  selection: Selection,
): Promise<void> {
  if (itemIds.length === 0) return
  // Plain parameters take the type of the population's ids, and so can use its index.
  const ids = sql.join(
    itemIds.map((id) => sql`${id}`),
    sql`, `,
  )
  // The batch is locked before its items, as everywhere, and after the population, which may be slow.
  await db.execute(sql`
    with now as materialized (
      select p.id::text as id, p.version from ${population(db, selection)} where p.id in (${ids})
    ),
    batch as (
      select id from batches where id = ${batchId}::uuid and (select count(*) from now) > 0 for no key update
    )
    update batch_items i set version = now.version
    from batch, now
    where i.batch_id = batch.id and i.item_id = now.id and i.status = 'queued' and i.version <> now.version`)
}
