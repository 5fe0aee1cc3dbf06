import { and, eq, inArray, sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import type { Db } from '../../db/client.ts'
import { batches } from '../../db/schema.ts'
import type { Params, Workflow } from '../../workflows/contract.ts'

export type Batch = typeof batches.$inferSelect

export type NewBatch = {
  workflow: Workflow
  /** Unique: a start that is repeated with the same key finds the batch that the first one opened. */
  startKey: string
  startedBy: Batch['startedBy']
  params: Params
  force: boolean
  limit: number | null
}

export type Opened =
  | { outcome: 'opened'; batch: Batch }
  /** An earlier start with this key opened it, perhaps with other options. */
  | { outcome: 'found'; batch: Batch; sameOptions: boolean }
  /** The workflow already has an active batch. */
  | { outcome: 'active'; batch: Batch }

const insertBatch = (db: Db, { workflow, ...start }: NewBatch, status: 'starting' | 'skipped') =>
  db
    .insert(batches)
    .values({
      id: uuidv7(),
      workflow: workflow.name,
      scope: workflow.scope(start.params),
      status,
      maxOutstanding: workflow.maxOutstanding,
      ...start,
    })
    .onConflictDoNothing()
    .returning()

const sameOptions = ({ params, force, limit }: NewBatch) => sql<boolean>`(
  ${batches.params} = ${JSON.stringify(params)}::jsonb and ${batches.force} = ${force}
  and ${batches.limit} is not distinct from ${limit}::int)`

/** Opens a batch in `starting`, unless the key was used or a batch of the workflow is active. */
export async function openBatch(db: Db, start: NewBatch): Promise<Opened> {
  for (let round = 0; round < 3; round += 1) {
    const [opened] = await insertBatch(db, start, 'starting')
    if (opened !== undefined) return { outcome: 'opened', batch: opened }
    const [found] = await db
      .select({ batch: batches, sameOptions: sameOptions(start) })
      .from(batches)
      .where(eq(batches.startKey, start.startKey))
    if (found !== undefined) return { outcome: 'found', ...found }
    const [active] = await db
      .select()
      .from(batches)
      .where(
        and(
          eq(batches.workflow, start.workflow.name),
          inArray(batches.status, ['starting', 'running', 'paused']),
        ),
      )
    if (active !== undefined) return { outcome: 'active', batch: active }
  }
  throw new Error(`the active batch of ${start.workflow.name} changes faster than it can be read`)
}

/** Records that a start found an active batch and did nothing. */
export async function recordSkipped(db: Db, start: NewBatch): Promise<void> {
  await insertBatch(db, start, 'skipped')
}
