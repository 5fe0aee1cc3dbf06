import { sql, type SQL } from 'drizzle-orm'
import { z } from 'zod'
import { transact, type Db } from '../../../db/client.ts'
import type { Json } from '../../../db/json.ts'
import { isOpen, killed, overBudget, stoppedAs } from '../bounds.ts'
import { mayHaveActed, storedError, type StoredError } from './recorded.ts'

/** A step of a durable item, at the item's attempt. */
export type StepAt = { batchId: string; itemId: string; attempt: number; name: string }

/**
 * A step that is to be begun. `undoable`: the handler has said how to undo it; `turn`: how many steps it had heard of when it
 * asked for this one.
 */
export type Beginning = StepAt & { undoable: boolean; turn: number }

export type Lease = { token: string; seconds: number }

export type Begun =
  /** It is ours to do, or to undo, what it did being `result`: the `tries`-th time in this round. */
  | { outcome: 'begun'; round: number; tries: number; result: Json }
  | { outcome: 'done'; result: Json; workMs: number }
  /** For good, unless an operator asks for another try. */
  | { outcome: 'failed'; error: StoredError; uncertain: boolean }
  /** Another delivery is at it for that long. */
  | { outcome: 'busy'; retryAfterSeconds: number }
  /** Its batch takes no more work; when that was cancelled, what the item has done is to be undone. */
  | { outcome: 'closed'; batchStatus: string }
  /** More than the budget of its batch is spent. */
  | { outcome: 'spent' }
  /** The item is at another attempt or has ended. */
  | { outcome: 'superseded' }

const batch = sql.raw('batch')

const row = z.object({
  outcome: z.enum(['begun', 'done', 'failed', 'busy', 'closed', 'spent']),
  batchStatus: z.string(),
  round: z.int().nullable(),
  tries: z.int().nullable(),
  result: z.json(),
  error: storedError.nullable(),
  uncertain: z.boolean(),
  workMs: z.int(),
  leaseSeconds: z.coerce.number().nullable(),
})

/** CTEs `batch`, so that a pause or cancel which has answered is seen, and `item`. */
const itemOf = ({ batchId, itemId, attempt }: StepAt, which = sql`true`) => sql`
  batch as (select * from batches where id = ${batchId}::uuid for share),
  item as (
    select i.* from batch join batch_items i on i.batch_id = batch.id and i.item_id = ${itemId}
    where i.attempt = ${attempt} and i.status = 'running' and ${which}
    for no key update of i
  )`

/**
 * Takes a step, unless it is done, has failed, is being worked on, or the gate of its batch is closed. One that failed and is
 * to be tried again, or that was undone, begins a new round: whatever remembers its last one by its key must not answer for
 * it.
 */
export const beginStep = (db: Db, at: Beginning, lease: Lease): Promise<Begun> =>
  begin(
    db,
    at,
    sql`
    with ${itemOf(at, sql`i.undoing is null`)},
    judged as (
      select item.batch_id, item.item_id, t.result, t.error, t.uncertain, t.work_ms, t.lease_until, case
          when t.status = 'done' then 'done'
          when ${hasFailed} and t.attempt >= item.retried_attempt then 'failed'
          when t.status = 'running' and t.lease_until > now() then 'busy'
          when not ${isOpen(batch)} then 'closed' when ${overBudget(batch, sql`0`)} then 'spent'
          else 'begun' end as outcome
      from item join batch on true left join item_steps t
        on t.batch_id = item.batch_id and t.item_id = item.item_id and t.name = ${at.name}
    ),
    taken as (
      insert into item_steps as t (batch_id, item_id, name, kind, status, attempt, tries, token, lease_until, undoable, turn)
      select batch_id, item_id, ${at.name}, 'step', 'running', ${at.attempt}::int, 1, ${lease.token}::uuid,
        now() + make_interval(secs => ${lease.seconds}), ${at.undoable}::boolean, ${at.turn}::int
      from judged where outcome = 'begun'
      on conflict (batch_id, item_id, name) do update set
        kind = excluded.kind, position = case when ${newRound} then excluded.position else t.position end,
        status = 'running', attempt = excluded.attempt, undoable = excluded.undoable, turn = excluded.turn, token = excluded.token, lease_until = excluded.lease_until,
        round = t.round + ${newRound}::int,
        tries = case when ${newRound} or t.attempt <> excluded.attempt then 1 else t.tries + 1 end,
        uncertain = not ${newRound} and ${mayHaveActed},
        result = null, error = case when ${newRound} then null else t.error end, started_at = now(), ended_at = null,
        undo_tries = 0, undo_error = null, undone_at = null
      where t.status in ('failed', 'undone') or (t.status = 'running' and (t.lease_until > now()) is not true)
      returning t.round, t.tries
    ),
    ${keepAlive(lease)}
    select case when j.outcome = 'begun' and t.round is null then 'busy' else j.outcome end as outcome, t.round, t.tries,
      j.result, j.error, coalesce(j.uncertain, false) as uncertain, coalesce(j.work_ms, 0) as "workMs",
      extract(epoch from j.lease_until - now()) as "leaseSeconds", batch.status as "batchStatus"
    from judged j join batch on true left join taken t on true`,
  )

/** It has failed for good, and may have been undone by itself since. */
const hasFailed = sql`(t.status = 'failed' or (t.status in ('undoing', 'undone') and t.error is not null))`

/** What is known not to have been done, or was undone, is done under another key the next time. */
export const newRound = sql`(t.status = 'undone' or (t.status = 'failed' and not t.uncertain))`

/** CTE: nobody may take the item for one whose worker is dead while a step of it is worked on. */
const keepAlive = ({ seconds }: Lease) => sql`
  kept as (
    update batch_items i set lease_until = greatest(i.lease_until, now() + make_interval(secs => ${seconds}))
    from judged j where j.outcome = 'begun' and i.batch_id = j.batch_id and i.item_id = j.item_id
  )`

/**
 * Takes the undoing of a step that is done, or may have been, unless the kill switch is on. `done`: it is undone, or there is
 * nothing to undo.
 */
export const beginUndo = (db: Db, at: StepAt, lease: Lease): Promise<Begun> =>
  begin(
    db,
    at,
    sql`
    with ${itemOf(at)},
    judged as (
      select item.batch_id, item.item_id, t.lease_until, case
          when t.status in ('running', 'undoing') and t.lease_until > now() then 'busy'
          when not (t.status in ('done', 'undoing') or (t.status in ('running', 'failed', 'waiting') and ${mayHaveActed}))
            then 'done'
          when ${killed(batch)} then 'closed' else 'begun' end as outcome
      from item join batch on true left join item_steps t
        on t.batch_id = item.batch_id and t.item_id = item.item_id and t.name = ${at.name}
    ),
    taken as (
      update item_steps t set
        status = 'undoing', undo_tries = case when t.status = 'undoing' then t.undo_tries + 1 else 1 end,
        uncertain = ${mayHaveActed}, token = ${lease.token}::uuid,
        lease_until = now() + make_interval(secs => ${lease.seconds})
      from judged j where j.outcome = 'begun' and t.batch_id = j.batch_id and t.item_id = j.item_id
        and t.name = ${at.name} and (t.lease_until > now()) is not true
      returning t.round, t.undo_tries as tries, t.result
    ),
    ${keepAlive(lease)}
    select case when j.outcome = 'begun' and t.round is null then 'busy' else j.outcome end as outcome, t.round, t.tries,
      t.result, null::jsonb as error, false as uncertain, 0 as "workMs",
      extract(epoch from j.lease_until - now()) as "leaseSeconds", 'stopped' as "batchStatus"
    from judged j left join taken t on true`,
  )

async function begin(db: Db, at: StepAt, statement: SQL): Promise<Begun> {
  // Before it is judged: what it waits for may be another delivery that ends the step.
  const lock = sql`with ${itemOf(at)} select 1 from item`
  const [, [found]] = await transact(db, lock, statement)
  if (found === undefined) return { outcome: 'superseded' }
  const { outcome, round, tries, result, error, uncertain, workMs, leaseSeconds, batchStatus } =
    row.parse(found)
  if (outcome === 'spent') return { outcome }
  if (outcome === 'closed') return { outcome, batchStatus: stoppedAs(batchStatus) }
  if (outcome === 'begun' && round !== null && tries !== null) return { outcome, round, tries, result }
  if (outcome === 'done') return { outcome, result, workMs }
  if (outcome === 'failed' && error !== null) return { outcome, error, uncertain }
  return { outcome: 'busy', retryAfterSeconds: Math.max(1, Math.ceil(leaseSeconds ?? 0)) }
}
