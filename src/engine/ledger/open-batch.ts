import { and, eq, inArray, lte, sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import type { Db } from '../../db/client.ts'
import { batches } from '../../db/schema.ts'
import type { Json, Params, Workflow } from '../../workflows/contract.ts'
import { logChange, rounds, type By } from './changes.ts'

export type Batch = typeof batches.$inferSelect

/** What bounds a batch from its start. */
export type Bounds = Pick<
  Batch,
  | 'maxOutstanding'
  | 'parallelism'
  | 'rate'
  | 'budget'
  | 'tolerate'
  | 'canary'
  | 'inputUsdPerMillion'
  | 'outputUsdPerMillion'
  | 'itemTokens'
  | 'itemUsd'
>

export type NewBatch = {
  workflow: Workflow
  /** Unique: a start that is repeated with the same key finds the batch that the first one opened. */
  startKey: string
  startedBy: Batch['startedBy']
  by: By
  params: Params
  force: boolean
  limit: number | null
  bounds: Bounds
  startPlanId: string | null
  sampleId: string | null
  /** What the start asked for, as it asked. */
  options: Json
}

export type Opened =
  | { outcome: 'opened'; batch: Batch }
  /** An earlier start with this key opened it, perhaps with other options. */
  | { outcome: 'found'; batch: Batch; sameOptions: boolean }
  /** The workflow already has an active batch, or, for a batch that is to wait for one, another that waits. */
  | { outcome: 'active'; batch: Batch }

type Status = 'starting' | 'queued' | 'skipped'

const actions = { starting: 'batch.start', queued: 'batch.queue', skipped: 'batch.skip' } as const

async function insertBatch(db: Db, start: NewBatch, status: Status): Promise<Batch | undefined> {
  const { workflow, by, bounds, ...columns } = start
  const id = uuidv7()
  const insert = db
    .insert(batches)
    .values({
      ...columns,
      ...bounds,
      id,
      workflow: workflow.name,
      scope: workflow.scope(start.params),
      completion: workflow.completion,
      status,
      reason: status === 'skipped' ? by.reason : null,
      endedAt: status === 'skipped' ? sql`now()` : null,
    })
    .onConflictDoNothing()
    .returning()
  const log = sql`
    insert into changes (actor, action, workflow, batch_id, reason, after)
    select ${by.actor}, ${actions[status]}, workflow, id, ${by.reason}, jsonb_build_object('options', options)
    from batches where id = ${id}::uuid`
  const [[batch]] = await db.batch([insert, db.execute(log)])
  return batch
}

const sameOptions = ({ options }: Pick<NewBatch, 'options'>) =>
  sql<boolean>`${batches.options} = ${JSON.stringify(options)}::jsonb`

/** The batch that an earlier start with this key opened. */
export async function findStarted(db: Db, start: Pick<NewBatch, 'startKey' | 'options'>) {
  const [found] = await db
    .select({ batch: batches, sameOptions: sameOptions(start) })
    .from(batches)
    .where(eq(batches.startKey, start.startKey))
  return found
}

/** Opens a batch, unless the key was used or a batch of the workflow is active (waits, if this one is to wait). */
export async function openBatch(
  db: Db,
  start: NewBatch,
  status: 'starting' | 'queued' = 'starting',
): Promise<Opened> {
  const inTheWay = status === 'queued' ? [status] : (['starting', 'running', 'paused'] as const)
  for (let round = 0; round < 3; round += 1) {
    const opened = await insertBatch(db, start, status)
    if (opened !== undefined) return { outcome: 'opened', batch: opened }
    const found = await findStarted(db, start)
    if (found !== undefined) return { outcome: 'found', ...found }
    const [active] = await db
      .select()
      .from(batches)
      .where(and(eq(batches.workflow, start.workflow.name), inArray(batches.status, [...inTheWay])))
    if (active !== undefined) return { outcome: 'active', batch: active }
  }
  throw new Error(`the active batch of ${start.workflow.name} changes faster than it can be read`)
}

/** Records that a start did nothing; the reason is `by`'s. */
export async function recordSkipped(db: Db, start: NewBatch): Promise<void> {
  await insertBatch(db, start, 'skipped')
}

/**
 * Lets the batch that waits for the workflow's active one begin. Undefined: none waits, or one is active, or was within
 * the grace.
 */
export async function openQueued(
  db: Db,
  workflow: string,
  { action, graceSeconds }: { action: 'batch.open' | 'heal.start'; graceSeconds: number },
): Promise<Batch | undefined> {
  const calm = sql`now() - make_interval(secs => ${graceSeconds})`
  const open = db
    .update(batches)
    .set({ status: 'starting' })
    .where(
      and(
        eq(batches.workflow, workflow),
        eq(batches.status, 'queued'),
        lte(batches.createdAt, calm),
        sql`not exists (
          select 1 from batches a where a.workflow = ${workflow}
            and (a.status in ('starting', 'running', 'paused') or a.ended_at > ${calm}))`,
      ),
    )
    .returning()
  const log = logChange(
    rounds,
    {
      action: sql`${action}`,
      workflow: sql`b.workflow`,
      batchId: sql`b.id`,
      before: sql`jsonb_build_object('status', 'queued')`,
      after: sql`jsonb_build_object('status', b.status, 'attempt', b.attempt)`,
    },
    sql`batches b where b.workflow = ${workflow} and b.status = 'starting' and b.xmin = pg_current_xact_id()::xid`,
  )
  const [[opened]] = await db.batch([open, db.execute(log)])
  return opened
}
