import { sql, type SQL } from 'drizzle-orm'
import { z } from 'zod'
import { queryRows, type Db } from '../../db/client.ts'
import { batchStatuses } from '../../db/schema.ts'
import type { Workflow } from '../../workflows/contract.ts'
import { morePages } from './bounds.ts'

/** Items that one run of layer 2 triggers. */
export type Chunk = { ids: string[] }

/** An item that wants a run of layer 3. */
export type DueItem = { id: string; attempt: number }

const row = z.object({
  status: z.enum(batchStatuses),
  attempt: z.int(),
  pages: z.int(),
  items: z.array(z.object({ id: z.string(), attempt: z.int() })),
  nextPage: z.int().nullable(),
})

/** What is still to trigger: the queued items, and the next page that has something to do. */
export type Due = z.output<typeof row>

/** Condition on `batch_items i`. */
export const inChunk = ({ ids }: Chunk): SQL =>
  sql`i.item_id in (select jsonb_array_elements_text(${JSON.stringify(ids)}::jsonb))`

/** Condition on `batch_items i`: one of these, still at that attempt. */
export const atAttempt = (items: readonly DueItem[]): SQL =>
  sql`(i.item_id, i.attempt) in (
    select id, attempt from jsonb_to_recordset(${JSON.stringify(items)}::jsonb) as seen(id text, attempt int))`

/** What is due of a page that was recorded before. Undefined: the workflow has no such batch. */
export const duePage = (db: Db, workflow: Workflow, batchId: string, page: number) =>
  due(
    db,
    workflow,
    batchId,
    sql`i.page = ${page}`,
    sql`coalesce(
      (select min(page) from batch_items i where batch_id = b.id and status = 'queued' and page > ${page} and ${goesOn}),
      case when b.status = 'running' and ${morePages(sql.raw('b'))} and not b.awaiting_room then b.pages + 1 end)`,
  )

/** What is due of a chunk. Undefined: the workflow has no such batch. */
export const dueChunk = (db: Db, workflow: Workflow, batchId: string, chunk: Chunk) =>
  due(db, workflow, batchId, inChunk(chunk), sql`null::int`)

/** A cancelled batch only has items to undo; one that is complete has given all its items to QStash before. */
const goesOn = sql`(b.status in ('running', 'completed') or i.undoing is not null)`

async function due(
  db: Db,
  workflow: Workflow,
  batchId: string,
  which: SQL,
  nextPage: SQL,
): Promise<Due | undefined> {
  const statement = sql`
    select b.status, b.attempt, b.pages, ${nextPage} as "nextPage",
      coalesce((
        select jsonb_agg(jsonb_build_object('id', i.item_id, 'attempt', i.attempt) order by i.item_id)
        from batch_items i where i.batch_id = b.id and i.status = 'queued' and ${goesOn} and ${which}
      ), '[]') as items
    from batches b where b.id = ${batchId}::uuid and b.workflow = ${workflow.name}`
  const [found] = await queryRows(db, statement, row)
  return found
}
