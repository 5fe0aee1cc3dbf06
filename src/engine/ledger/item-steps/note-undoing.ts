import { sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Db } from '../../../db/client.ts'
import { afterLock } from '../lock-item.ts'
import { recordedStep, recordedSteps, type RecordedStep, type StoredError } from './recorded.ts'

const row = z.object({ steps: z.array(recordedStep) })

/**
 * Notes that what an item has done is undone from now on, and why.
 *
 * @returns its steps as they stand then. Undefined: it is at another attempt or has ended.
 */
export async function noteUndoing(
  db: Db,
  item: { batchId: string; itemId: string; attempt: number },
  status: 'failed' | 'cancelled',
  error: StoredError,
): Promise<RecordedStep[] | undefined> {
  const { batchId, itemId, attempt } = item
  const statement = sql`
    update batch_items i set undoing = coalesce(i.undoing, ${status}), error = ${JSON.stringify(error)}::jsonb
    where i.batch_id = ${batchId}::uuid and i.item_id = ${itemId} and i.attempt = ${attempt} and i.status = 'running'
    returning ${recordedSteps(sql.raw('i'))} as steps`
  const [noted] = await afterLock(db, item, statement)
  return noted === undefined ? undefined : row.parse(noted).steps
}
