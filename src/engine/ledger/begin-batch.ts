import { and, eq, sql } from 'drizzle-orm'
import type { Db } from '../../db/client.ts'
import { batches } from '../../db/schema.ts'
import type { Batch } from './open-batch.ts'
import type { Plan } from './plan.ts'

/**
 * Moves a batch from `starting` to `running`, or to `completed` when the plan leaves nothing to do. Undefined: it was
 * not `starting`.
 */
export async function beginBatch(db: Db, batchId: string, plan: Plan): Promise<Batch | undefined> {
  const nothing = plan.toProcess === 0
  const [begun] = await db
    .update(batches)
    .set({
      planId: plan.id,
      status: nothing ? 'completed' : 'running',
      exhausted: nothing,
      startedAt: sql`now()`,
      endedAt: nothing ? sql`now()` : null,
    })
    .where(and(eq(batches.id, batchId), eq(batches.status, 'starting')))
    .returning()
  return begun
}

/** Ends a batch that never began, and frees its start key for another try. */
export async function failBatch(db: Db, batchId: string, reason: string): Promise<void> {
  await db
    .update(batches)
    .set({
      status: 'failed',
      reason,
      endedAt: sql`now()`,
      startKey: sql`${batches.startKey} || ':' || ${batches.id}`,
    })
    .where(and(eq(batches.id, batchId), eq(batches.status, 'starting')))
}
