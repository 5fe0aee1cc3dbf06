import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { queryRows, type Db } from '../../db/client.ts'
import { batchStatuses } from '../../db/schema.ts'
import type { Usage } from '../../workflows/contract.ts'

/**
 * Gives a claim back after an error, so that the next delivery may take the item at once; what it cost is kept.
 *
 * @returns the batch's status; a cancelled one wants the item ended. Undefined: the claim was not ours any more.
 */
export async function releaseItem(
  db: Db,
  item: { batchId: string; itemId: string; token: string },
  error: { name: string; message: string },
  usage: Usage,
): Promise<string | undefined> {
  const statement = sql`
    with batch as (select id, status from batches where id = ${item.batchId}::uuid for share)
    update batch_items i set
      status = 'queued', token = null, lease_until = null, error = ${JSON.stringify(error)}::jsonb,
      input_tokens = i.input_tokens + ${usage.inputTokens}, output_tokens = i.output_tokens + ${usage.outputTokens}
    from batch b where i.batch_id = b.id and i.item_id = ${item.itemId} and i.token = ${item.token}::uuid
    returning b.status`
  const [released] = await queryRows(db, statement, z.object({ status: z.enum(batchStatuses) }))
  return released?.status
}
