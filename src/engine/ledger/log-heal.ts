import { sql, type SQL } from 'drizzle-orm'
import type { Db } from '../../db/client.ts'
import type { Json } from '../../db/json.ts'
import { logChange, rounds } from './changes.ts'

/** Statement that logs every item of `from` as healed: its columns are workflow, batch_id, item_id and attempt. */
export const logHealedItems = (action: 'heal.item' | 'heal.cancelled-item', from: SQL): SQL =>
  logChange(
    rounds,
    {
      action: sql`${action}`,
      workflow: sql`healed.workflow`,
      batchId: sql`healed.batch_id`,
      before: sql`null::jsonb`,
      after: sql`jsonb_build_object('itemId', healed.item_id, 'attempt', healed.attempt)`,
    },
    sql`(select workflow, batch_id, item_id, attempt from ${from}) healed`,
  )

/** Logs what was healed outside the ledger, under the batch's lock like every change. The same key is logged once. */
export async function logHeal(
  db: Db,
  batchId: string,
  heal: {
    action: 'heal.failure-report' | 'heal.pace'
    before?: Json
    after: Json
    reason: string | null
    key?: string
  },
): Promise<void> {
  const { action, before = null, after, reason, key } = heal
  await db.execute(sql`
    ${logChange(
      { ...rounds, reason, key },
      {
        action: sql`${action}`,
        workflow: sql`b.workflow`,
        batchId: sql`b.id`,
        before: sql`${JSON.stringify(before)}::jsonb`,
        after: sql`${JSON.stringify(after)}::jsonb`,
      },
      sql`(select * from batches where id = ${batchId}::uuid for no key update) b`,
    )}
    on conflict (key) do nothing`)
}
