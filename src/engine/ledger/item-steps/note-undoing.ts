import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { queryRows, type Db } from '../../../db/client.ts'
import type { StoredError } from './recorded.ts'

/** Notes that what an item has done is undone from now on, and why. False: it is at another attempt or has ended. */
export async function noteUndoing(
  db: Db,
  { batchId, itemId, attempt }: { batchId: string; itemId: string; attempt: number },
  status: 'failed' | 'cancelled',
  error: StoredError,
): Promise<boolean> {
  const statement = sql`
    update batch_items set undoing = coalesce(undoing, ${status}), error = ${JSON.stringify(error)}::jsonb
    where batch_id = ${batchId}::uuid and item_id = ${itemId} and attempt = ${attempt} and status = 'running'
    returning item_id as id`
  return (await queryRows(db, statement, z.object({ id: z.string() }))).length > 0
}
