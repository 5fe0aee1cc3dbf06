import { sql } from 'drizzle-orm'
import type { Db } from '../../../db/client.ts'
import type { StepAt } from './begin-step.ts'
import type { StoredError } from './recorded.ts'

/** Notes that the event which ended a wait is none that was waited for: tried again, the item waits for another one. */
export async function refuseEvent(
  db: Db,
  { batchId, itemId, attempt, name }: StepAt,
  error: StoredError,
): Promise<void> {
  await db.execute(sql`
    update item_steps set status = 'failed', result = null, error = ${JSON.stringify(error)}::jsonb
    where batch_id = ${batchId}::uuid and item_id = ${itemId} and name = ${name} and attempt = ${attempt}
      and status = 'done'`)
}
