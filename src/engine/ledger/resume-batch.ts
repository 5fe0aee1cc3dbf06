import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { transact, type Db } from '../../db/client.ts'
import type { NextPage } from './settle-batch.ts'

const row = z.object({ attempt: z.int(), page: z.int().nullable() })

/**
 * Opens the gate, also of a batch that is running but whose runs may be lost. Every item that is queued, or whose
 * worker is dead, gets a new attempt: whatever run it had will find itself superseded.
 *
 * The page is the first with such items, else the next one to read, and must be triggered; null: nothing is left to
 * trigger. Undefined: the batch is neither paused nor running.
 */
export async function resumeBatch(db: Db, batchId: string): Promise<NextPage | null | undefined> {
  const open = sql`
    update batches set status = 'running', reason = null, attempt = attempt + 1, awaiting_room = false
    where id = ${batchId}::uuid and status in ('paused', 'running')
    returning id`
  const requeue = sql`
    with requeued as (
      update batch_items i set
        status = 'queued', token = null, lease_until = null, attempt = i.attempt + 1, error = null
      from batches b where b.id = ${batchId}::uuid and b.status = 'running' and i.batch_id = b.id
        and (i.status = 'queued' or (i.status = 'running' and i.lease_until <= now()))
      returning i.page
    )
    select b.attempt, coalesce(
      (select min(page) from requeued), case when b.exhausted then null else b.pages + 1 end) as page
    from batches b where b.id = ${batchId}::uuid`
  const [opened, [next]] = await transact(db, open, requeue)
  if (opened.length === 0) return undefined
  const { attempt, page } = row.parse(next)
  return page === null ? null : { page, attempt }
}
