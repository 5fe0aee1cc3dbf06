import { sql } from 'drizzle-orm'
import type { Db } from '../../db/client.ts'
import type { Usage } from '../../workflows/contract.ts'
import { usdOf } from './settle.ts'

/**
 * Books what a claim has used that was lost before its save: it was paid all the same. Nothing is booked for a claim
 * that has saved. Not to be repeated.
 */
export async function addSpent(
  db: Db,
  { batchId, itemId, token }: { batchId: string; itemId: string; token: string },
  { inputTokens, outputTokens }: Usage,
): Promise<void> {
  if (inputTokens + outputTokens === 0) return
  await db.execute(sql`
    with batch as (select id from batches where id = ${batchId}::uuid for no key update),
    item as (
      update batch_items i set
        input_tokens = i.input_tokens + ${inputTokens}, output_tokens = i.output_tokens + ${outputTokens}
      from batch
      where i.batch_id = batch.id and i.item_id = ${itemId} and i.token is distinct from ${token}::uuid
      returning i.batch_id
    )
    update batches batch set
      input_tokens = batch.input_tokens + ${inputTokens}, output_tokens = batch.output_tokens + ${outputTokens},
      item_tokens = greatest(batch.item_tokens, ${inputTokens}::int + ${outputTokens}::int),
      item_usd = greatest(batch.item_usd, ${usdOf(sql`${inputTokens}::int`, sql`${outputTokens}::int`)})
    from item where batch.id = item.batch_id`)
}
