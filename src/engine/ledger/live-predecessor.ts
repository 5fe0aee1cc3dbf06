import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { queryOne, type Db } from '../../db/client.ts'
import { unfinished } from './needs-work.ts'

/**
 * Seconds until nothing that an earlier batch of the workflow had started can still be at work; null: nothing is.
 * A cancelled batch lets its running items finish, and two batches of one workflow never work at once.
 */
export async function livePredecessor(db: Db, workflow: string, batchId: string): Promise<number | null> {
  const statement = sql`
    select extract(epoch from max(lease_until) - now())::float as seconds from batch_items
    where workflow = ${workflow} and batch_id <> ${batchId}::uuid and status in ${unfinished}
      and status = 'running' and lease_until > now()`
  const { seconds } = await queryOne(db, statement, z.object({ seconds: z.number().nullable() }))
  return seconds
}
