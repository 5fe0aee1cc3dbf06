import { sql } from 'drizzle-orm'
import type { Db } from '../../db/client.ts'
import { killed } from './bounds.ts'
import { logBatchChange, rounds } from './changes.ts'
import type { Plan } from './plan.ts'

const b = sql.raw('b')
const was = sql.raw('was')

/**
 * Moves a batch from `starting` to `running`, to `completed` when the plan leaves nothing to do, or to `paused` when
 * an operator has asked for that or the kill switch is on. Changes nothing when it was not `starting`.
 */
export async function beginBatch(db: Db, batchId: string, plan: Plan): Promise<void> {
  const nothing = plan.toProcess === 0
  const percent = sql`(was.canary->>'percent')::numeric`
  await db.execute(sql`
    with was as (
      select * from batches where id = ${batchId}::uuid and status = 'starting' for no key update
    ),
    begun as (
      update batches b set
        plan_id = ${plan.id}::uuid, started_at = now(), exhausted = ${nothing},
        status = case when ${nothing} then 'completed'
          when ${killed(was)} or was.paused_by is not null then 'paused' else 'running' end,
        paused_by = case when ${nothing} then null when was.paused_by is not null then was.paused_by
          when ${killed(was)} then 'kill_switch' end,
        reason = case when ${nothing} then null when was.paused_by is not null then was.reason
          when ${killed(was)} then 'the kill switch is on' end,
        ended_at = case when ${nothing} then now() end,
        canary_verdict = case when was.canary is not null and not ${nothing} then 'pending' end,
        canary_items = case when was.canary is not null then least(${plan.toProcess}::int, coalesce(
          (was.canary->>'items')::int, greatest(1, ceil(${plan.toProcess}::int * ${percent} / 100)::int))) end
      from was where b.id = was.id returning b.*
    )
    ${logBatchChange(rounds, sql`'batch.begin'`, was, b, sql`begun b join was on true`)}`)
}

/** Ends a batch that never began, and frees its start key for another try. */
export async function failBatch(db: Db, batchId: string, reason: string): Promise<void> {
  await db.execute(sql`
    with was as (
      select * from batches where id = ${batchId}::uuid and status = 'starting' for no key update
    ),
    failed as (
      update batches b set
        status = 'failed', paused_by = null, reason = ${reason}, ended_at = now(), start_key = b.start_key || ':' || b.id
      from was where b.id = was.id returning b.*
    )
    ${logBatchChange({ ...rounds, reason }, sql`'batch.fail'`, was, b, sql`failed b join was on true`)}`)
}
