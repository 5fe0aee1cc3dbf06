import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { queryRows, type Db } from '../../../db/client.ts'
import { recordedStep, recordedSteps, type RecordedStep, type StoredError } from './recorded.ts'

/**
 * Notes that what an item has done is undone from now on, and why.
 *
 * @returns its steps as they stand then. Undefined: it is at another attempt or has ended.
 */
export async function noteUndoing(
  db: Db,
  { batchId, itemId, attempt }: { batchId: string; itemId: string; attempt: number },
  status: 'failed' | 'cancelled',
  error: StoredError,
): Promise<RecordedStep[] | undefined> {
  const statement = sql`
    update batch_items i set undoing = coalesce(i.undoing, ${status}), error = ${JSON.stringify(error)}::jsonb
    where i.batch_id = ${batchId}::uuid and i.item_id = ${itemId} and i.attempt = ${attempt} and i.status = 'running'
    returning ${recordedSteps(sql.raw('i'))} as steps`
  const [noted] = await queryRows(db, statement, z.object({ steps: z.array(recordedStep) }))
  return noted?.steps
}
