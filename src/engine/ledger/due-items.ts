import { sql, type SQL } from 'drizzle-orm'
import { z } from 'zod'
import { queryRows, type Db } from '../../db/client.ts'
import { batchStatuses } from '../../db/schema.ts'

const row = z.object({
  status: z.enum(batchStatuses),
  attempt: z.int(),
  pages: z.int(),
  items: z.array(z.object({ id: z.string(), attempt: z.int() })),
  nextPage: z.int().nullable(),
})

/**
 * What is still to trigger: the queued items, and the next page that has something to do. At a paused batch the items
 * are left for the runs that resuming will start.
 */
export type Due = z.output<typeof row>

/** What is due of a page that was recorded before. Undefined: there is no such batch. */
export const duePage = (db: Db, batchId: string, page: number) =>
  due(
    db,
    batchId,
    sql`i.page = ${page}`,
    sql`coalesce(
      (select min(page) from batch_items where batch_id = b.id and awaiting_run and page > ${page}),
      case when b.exhausted or b.awaiting_room then null else b.pages + 1 end)`,
  )

/** What is due of a chunk of items. Undefined: there is no such batch. */
export const dueChunk = (db: Db, batchId: string, ids: string[]) =>
  due(
    db,
    batchId,
    sql`i.item_id in (select jsonb_array_elements_text(${JSON.stringify(ids)}::jsonb))`,
    sql`null::int`,
  )

async function due(db: Db, batchId: string, which: SQL, nextPage: SQL): Promise<Due | undefined> {
  const statement = sql`
    with batch as (select * from batches where id = ${batchId}::uuid for share),
    parked as (
      update batch_items i set awaiting_run = true, attempt = i.attempt + 1
      from batch where batch.status = 'paused' and i.batch_id = batch.id and i.status = 'queued'
        and not i.awaiting_run and ${which}
    )
    select b.status, b.attempt, b.pages, ${nextPage} as "nextPage",
      coalesce((
        select jsonb_agg(jsonb_build_object('id', i.item_id, 'attempt', i.attempt) order by i.item_id)
        from batch_items i where i.batch_id = b.id and i.status = 'queued' and ${which}
      ), '[]') as items
    from batch b`
  const [found] = await queryRows(db, statement, row)
  return found
}
