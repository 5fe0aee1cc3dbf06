import { sql, type SQL } from 'drizzle-orm'
import { z } from 'zod'
import { stepKinds, stepStatuses, type undoings } from '../../../db/schema.ts'

/** An error as it is stored with an item or a step. */
export const storedError = z.object({ name: z.string(), message: z.string(), step: z.string() })
export type StoredError = z.output<typeof storedError>

export const recordedStep = z.object({
  name: z.string(),
  kind: z.enum(stepKinds),
  status: z.enum(stepStatuses),
  result: z.json(),
  error: storedError.nullable(),
  /** It may have done something though it did not say so. */
  uncertain: z.boolean(),
  /** It came to an end, whatever became of that since. */
  ended: z.boolean(),
  /** Its undoing has begun and has not succeeded. */
  stuck: z.boolean(),
  /** It was undone by itself: the handler has gone on without it. */
  undoneAlone: z.boolean(),
  /** The handler has said how to undo it. */
  undoable: z.boolean(),
  /** A try of it has used mail or payments. */
  acted: z.boolean(),
  /** It was begun before an operator had the item tried again. */
  old: z.boolean(),
  /** Milliseconds of work. */
  workMs: z.int(),
})
/** Name of the error of an item of which something stands that was to be undone. */
export const undoFailed = 'UndoFailed'
/** Name of the error of an item whose handler is not the one that it began with: it failed as it stood, to go on with that one. */
export const handlerChanged = 'HandlerChanged'

/** A step as the ledger has it. */
export type RecordedStep = z.output<typeof recordedStep>

/** What an item comes to when what it has done is undone: its end, or another try from what stands then. */
export type Undoing = (typeof undoings)[number]

/** How far a durable item has come. */
export type Durable = {
  /** Version of its handler. */
  handler: number
  /** Nothing more is to be done for it: what was done is undone first. */
  undoing: Undoing | null
  /** Why it is undone, as far as that is known. */
  error: StoredError | null
  steps: RecordedStep[]
}

/** Of a step `t` that is not done: a try was not certain of having done nothing, or its worker died. */
export const mayHaveActed = sql`(t.uncertain or (t.status = 'running' and t.lease_until is not null))`

/** A step `t` of the item `i` is such a one. */
export const someStep = (i: SQL, which: SQL): SQL => sql`exists (
  select 1 from item_steps t where t.batch_id = ${i}.batch_id and t.item_id = ${i}.item_id and ${which})`

/** The undoing of a step `t` has begun and has not succeeded. */
export const isStuck = sql`(t.status = 'undoing' or t.undo_error is not null)`

/** A step `t` that the handler has said how to undo stands, or may. */
export const isOwed = sql`(${isStuck} or (t.undoable and (
  t.status = 'done' or (t.status in ('running', 'waiting', 'failed') and ${mayHaveActed}))))`

/** How an item `i` ends whose batch was cancelled: one that was failing then has failed. */
export const asCancelled = (i: SQL): SQL =>
  sql`case when ${i}.undoing = 'failed' then 'failed' else 'cancelled' end`

/** Steps of the item `i` have sent or charged something, or may have, which was not undone. */
export const actedSteps = (i: SQL): SQL =>
  someStep(
    i,
    sql`((t.acted and t.status = 'done') or (t.status in ('running', 'waiting', 'failed') and ${mayHaveActed}
      and (t.acted or t.lease_until is not null)))`,
  )

/** The steps of the item `i` in the order in which they were begun, as JSON. */
export const recordedSteps = (i: SQL): SQL => sql`coalesce((
  select jsonb_agg(jsonb_build_object('name', t.name, 'kind', t.kind, 'status', t.status, 'result', t.result, 'error', t.error,
    'uncertain', ${mayHaveActed}, 'undoable', t.undoable, 'acted', t.acted, 'undoneAlone', t.undone_alone, 'old', t.attempt < ${i}.retried_attempt, 'ended', t.ended_at is not null, 'stuck', ${isStuck}, 'workMs', t.work_ms) order by t.position)
  from item_steps t where t.batch_id = ${i}.batch_id and t.item_id = ${i}.item_id), '[]')`

/** The item `i` has something to go on from, which only the handler knows that began it. */
export const hasStepsThatStand = (i: SQL): SQL =>
  someStep(
    i,
    sql`(t.status not in ('failed', 'undone') or ${isStuck} or (t.status = 'failed' and t.uncertain and (t.acted or t.undoable)))`,
  )
