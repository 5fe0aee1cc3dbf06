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
    update item_steps t set status = 'failed', attempt = i.attempt, result = null, error = ${JSON.stringify(error)}::jsonb
    from batch_items i
    where i.batch_id = ${batchId}::uuid and i.item_id = ${itemId} and i.attempt = ${attempt}
      and t.batch_id = i.batch_id and t.item_id = i.item_id and t.name = ${name} and t.status = 'done'`)
}
