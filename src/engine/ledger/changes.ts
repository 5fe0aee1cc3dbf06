import { eq, sql, type SQL } from 'drizzle-orm'
import type { Db } from '../../db/client.ts'
import { changes } from '../../db/schema.ts'

/** Who changes something, and why. */
export type By = {
  /** Name of a token, or `rounds` for what is done without anybody asking. */
  actor: string
  reason: string | null
  /** The same key makes the same change once. */
  key?: string | undefined
}

export const rounds: By = { actor: 'rounds', reason: null }

/** What can be changed of a batch, as the log of changes shows it. `b` has the columns of `batches`. */
export const controlsOf = (b: SQL): SQL => sql`jsonb_build_object(
  'status', ${b}.status, 'pausedBy', ${b}.paused_by, 'reason', ${b}.reason, 'parallelism', ${b}.parallelism,
  'rate', ${b}.rate, 'throttledRate', ${b}.throttled_rate, 'canaryVerdict', ${b}.canary_verdict, 'maxOutstanding', ${b}.max_outstanding, 'budget', ${b}.budget, 'tolerate', ${b}.tolerate)`

type Change = { action: SQL; workflow: SQL; batchId: SQL; reason?: SQL; before: SQL; after: SQL }

/** Statement that logs a change for every row of `from`. */
export const logChange = (by: By, change: Change, from: SQL): SQL => sql`
  insert into changes (actor, action, workflow, batch_id, reason, key, before, after)
  select ${by.actor}, ${change.action}, ${change.workflow}, ${change.batchId},
    coalesce(${by.reason}, ${change.reason ?? sql`null`}), ${by.key ?? null}::text, ${change.before}, ${change.after}
  from ${from}`

/** Logs a change from the batch `was` to the batch `b`. */
export const logBatchChange = (by: By, action: SQL, was: SQL, b: SQL, from: SQL): SQL =>
  logChange(
    by,
    {
      action,
      workflow: sql`${b}.workflow`,
      batchId: sql`${b}.id`,
      before: controlsOf(was),
      after: controlsOf(b),
    },
    from,
  )

/** Lets a change be asked for again with its key, because what should have followed it did not happen. */
export async function freeKey(db: Db, key: string): Promise<void> {
  await db.update(changes).set({ key: null }).where(eq(changes.key, key))
}
