import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { queryOne, type Db } from '../../db/client.ts'
import { unfinished } from './needs-work.ts'

/** Condition on `batch_items i`: it is at work for a batch that was cancelled. */
export const atWorkThoughCancelled = sql`(
  i.status in ${unfinished} and i.status = 'running' and i.lease_until > now()
  and exists (select 1 from batches c where c.id = i.batch_id and c.status = 'cancelled'))`

/**
 * Seconds until nothing that an earlier batch of the workflow had started can still be at work; null: nothing is.
 * A cancelled batch lets its running items finish, and two batches of one workflow never work at once, but for what lasts
 * on of one that is complete.
 */
export async function livePredecessor(db: Db, workflow: string, batchId: string): Promise<number | null> {
  const statement = sql`
    select extract(epoch from max(i.lease_until) - now())::float as seconds from batch_items i
    where i.workflow = ${workflow} and i.batch_id <> ${batchId}::uuid and ${atWorkThoughCancelled}`
  const { seconds } = await queryOne(db, statement, z.object({ seconds: z.number().nullable() }))
  return seconds
}
