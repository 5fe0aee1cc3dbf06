import { and, eq, sql } from 'drizzle-orm'
import type { Db } from '../../db/client.ts'
import { batchItems } from '../../db/schema.ts'
import type { Usage } from '../../workflows/contract.ts'

/** Gives a claim back after an error, so that the next delivery may take the item at once; what it cost is kept. */
export async function releaseItem(
  db: Db,
  item: { batchId: string; itemId: string; token: string },
  error: { name: string; message: string },
  usage: Usage,
): Promise<void> {
  await db
    .update(batchItems)
    .set({
      status: 'queued',
      token: null,
      leaseUntil: null,
      error,
      inputTokens: sql`${batchItems.inputTokens} + ${usage.inputTokens}`,
      outputTokens: sql`${batchItems.outputTokens} + ${usage.outputTokens}`,
    })
    .where(
      and(
        eq(batchItems.batchId, item.batchId),
        eq(batchItems.itemId, item.itemId),
        eq(batchItems.token, item.token),
      ),
    )
}
