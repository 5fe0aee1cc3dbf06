import { sql } from 'drizzle-orm'
import type { Db } from '../../../db/client.ts'
import type { StepAt } from './begin-step.ts'

/** Notes, before a call is made, that it may send, charge or change something. */
export async function noteActed(db: Db, { batchId, itemId, name }: StepAt): Promise<void> {
  await db.execute(sql`
    update item_steps set acted = true
    where batch_id = ${batchId}::uuid and item_id = ${itemId} and name = ${name}`)
}
