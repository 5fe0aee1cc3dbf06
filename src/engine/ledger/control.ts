import { and, eq, sql } from 'drizzle-orm'
import { z } from 'zod'
import { queryRows, type Db } from '../../db/client.ts'
import { batches } from '../../db/schema.ts'
import type { NextPage } from './claim.ts'

/** Closes the gate: what has started finishes, nothing else starts. False: the batch was not running. */
export async function pauseBatch(db: Db, batchId: string, reason: string | null): Promise<boolean> {
  const paused = await db
    .update(batches)
    .set({ status: 'paused', reason })
    .where(and(eq(batches.id, batchId), eq(batches.status, 'running')))
    .returning({ id: batches.id })
  return paused.length > 0
}

const resumedRow = z.object({ attempt: z.int(), page: z.int().nullable() })

/**
 * Opens the gate again. The page is the first with items whose runs ended at the closed gate, else the next one to
 * read, and must be triggered; null: every queued item has its run. Undefined: the batch was not paused.
 */
export async function resumeBatch(db: Db, batchId: string): Promise<NextPage | null | undefined> {
  const statement = sql`
    with resumed as (
      update batches set status = 'running', reason = null, attempt = attempt + 1, awaiting_room = false
      where id = ${batchId}::uuid and status = 'paused'
      returning *
    )
    select r.attempt, coalesce(
      (select min(page) from batch_items where batch_id = r.id and awaiting_run),
      case when r.exhausted then null else r.pages + 1 end) as page
    from resumed r`
  const [resumed] = await queryRows(db, statement, resumedRow)
  if (resumed === undefined) return undefined
  const { attempt, page } = resumed
  return page === null ? null : { page, attempt }
}

/** Ends an active batch and every item that has not started. False: the batch was not active. */
export async function cancelBatch(db: Db, batchId: string): Promise<boolean> {
  const statement = sql`
    with batch as (
      select id from batches where id = ${batchId}::uuid and status in ('starting', 'running', 'paused') for update
    ),
    dropped as (
      update batch_items i set status = 'cancelled', awaiting_run = false, ended_at = now()
      from batch where i.batch_id = batch.id and i.status = 'queued'
      returning i.item_id
    ),
    ended as (select batch.id, (select count(*) from dropped)::int as n from batch)
    update batches b set
      status = 'cancelled', reason = null, awaiting_room = false, ended_at = now(), cancelled = b.cancelled + e.n
    from ended e where b.id = e.id
    returning b.id`
  const cancelled = await queryRows(db, statement, z.object({ id: z.uuid() }))
  return cancelled.length > 0
}

/** Leaves queued items for the runs that resuming will start: theirs are lost. */
export async function parkItems(
  db: Db,
  batchId: string,
  which: { page: number } | { ids: string[] },
): Promise<void> {
  const chosen =
    'page' in which
      ? sql`page = ${which.page}`
      : sql`item_id in (select jsonb_array_elements_text(${JSON.stringify(which.ids)}::jsonb))`
  await db.execute(sql`
    update batch_items set awaiting_run = true, attempt = attempt + 1
    where batch_id = ${batchId}::uuid and status = 'queued' and not awaiting_run and ${chosen}`)
}
