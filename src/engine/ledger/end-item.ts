import { sql, type SQL } from 'drizzle-orm'
import { z } from 'zod'
import { queryRows, type Db } from '../../db/client.ts'
import type { ItemError } from '../item-error.ts'
import type { Json, Usage } from '../../workflows/contract.ts'
import { actedSteps, isOwed, someStep } from './item-steps/recorded.ts'
import { lockItem } from './lock-item.ts'
import { movedColumns, settle, type NextPage } from './settle.ts'

export type Outcome =
  | {
      status: 'succeeded'
      data: Json
      model: string | null
      freshForSeconds: number | null
      /** A sample's result saved the work. */
      prepared: boolean
    }
  | { status: 'skipped' | 'failed' | 'cancelled'; error: ItemError }
  /** Given back: `again` to the next delivery of its run, or to a new run, when somebody asked to come later. */
  | { status: 'queued'; again: 'same_run' | 'new_run'; slows: boolean; error: ItemError }

export type Ended = {
  batchStatus: string
  /** The stored result's times, ISO 8601; null unless the item succeeded. */
  generatedAt: string | null
  expiresAt: string | null
  /** The page that this made room for; it must be triggered. */
  nextPage: NextPage | null
  /** The item's attempt from now on. */
  attempt: number
  /** It has ended, and somebody is to hear of that. */
  isInvoked: boolean
  /** The pace at which the batch may go on has changed and must be told to QStash. */
  paceChanged: boolean
}

const instant = z
  .string()
  .transform((text) => new Date(text).toISOString())
  .nullable()

const row = z.object({
  batchStatus: z.string(),
  generatedAt: instant,
  expiresAt: instant,
  nextPage: z.int().nullable(),
  batchAttempt: z.int(),
  attempt: z.int(),
  paceChanged: z.boolean(),
  isInvoked: z.boolean(),
})

type Item = { batchId: string; itemId: string; pageSize: number }

/** What a try took: tokens, and milliseconds of work. */
export type Spent = Usage & { workMs: number }

/**
 * The save: ends a claimed item, or gives it back, if the claim is still ours; then the item keeps the token, so that a
 * save can be told from a claim that was lost. Undefined: the claim is not ours, and nothing was written.
 */
export const saveItem = (db: Db, item: Item & { token: string }, outcome: Outcome, spent: Spent) =>
  endItem(db, item, outcome, spent, sql`i.status = 'running' and i.token = ${item.token}::uuid`)

/** The same for a durable item, which is its attempt's. */
export const saveDurable = (db: Db, item: Item & { attempt: number }, outcome: Outcome, spent: Spent) =>
  endItem(db, item, outcome, spent, sql`i.status = 'running' and i.attempt = ${item.attempt}`)

/**
 * Ends an item whose run has died: one whose claim is over, or that a delivery had tried. Undefined: it has ended, its
 * claim is still alive, a later attempt has its own run, or no delivery ever reached it.
 */
export const abandonItem = (db: Db, item: Item & { attempt: number }, outcome: Outcome) =>
  endItem(
    db,
    item,
    outcome,
    null,
    sql`i.attempt = ${item.attempt} and (
      (i.status = 'running' and i.lease_until <= now()) or (i.status = 'queued' and i.error is not null)
      or i.undoing is not null)`,
  )

/** Why the items of a cancelled batch end. */
export const cancelled: ItemError = {
  name: 'Cancelled',
  message: 'the batch was cancelled',
  step: 'cancel',
  fingerprint: '',
}

/** Ends an item of a cancelled batch that was at work when it was cancelled. Undefined: there was nothing to end. */
export const dropItem = (db: Db, item: Item) =>
  endItem(
    db,
    item,
    { status: 'cancelled', error: cancelled },
    null,
    sql`batch.status = 'cancelled'
      and (i.status = 'queued' or (i.status = 'running' and i.lease_until <= now()))
      and (i.handler is null or i.claims = 0)`,
  )

async function endItem(
  db: Db,
  { batchId, itemId, pageSize }: Item,
  outcome: Outcome,
  spent: Spent | null,
  ours: SQL,
): Promise<Ended | undefined> {
  const { inputTokens, outputTokens, workMs } = spent ?? { inputTokens: 0, outputTokens: 0, workMs: null }
  const { fingerprint, ...error } = outcome.status === 'succeeded' ? noError : outcome.error
  const failed = outcome.status === 'failed' || outcome.status === 'queued'
  const prepared = outcome.status === 'succeeded' && outcome.prepared
  const newRun = outcome.status === 'queued' && outcome.again === 'new_run'
  const tried = {
    inputTokens,
    outputTokens,
    workMs: workMs ?? 0,
    fingerprint: failed ? fingerprint : null,
    message: failed ? (error.message ?? null) : null,
    counts: !newRun && !prepared && (spent !== null || outcome.status === 'failed'),
    prepared,
    throttled: outcome.status === 'queued' && outcome.slows,
  }
  // Why it is undone stays.
  const isPutOff = sql`(${outcome.status === 'queued'}::boolean and i.undoing is not null)`
  const statement = sql`
    with ${lockItem({ batchId, itemId }, ours)},
    moved as (
      update batch_items i set
        status = ${outcome.status}, error = case when ${isPutOff} then i.error else ${outcome.status === 'succeeded' ? null : JSON.stringify(error)}::jsonb end,
        fingerprint = case when ${isPutOff} then i.fingerprint else ${tried.fingerprint}::text end, token = ${spent === null ? sql`null` : sql`i.token`}, lease_until = null,
        attempt = i.attempt + ${Number(newRun)}::int,
        input_tokens = i.input_tokens + ${inputTokens}, output_tokens = i.output_tokens + ${outputTokens},
        work_ms = coalesce(${workMs}::int, i.work_ms),
        waiting_for = null, waiting_until = null,
        undoing = case when ${outcome.status} = 'queued' then i.undoing end,
        acted = i.handler is not null and ${outcome.status} in ('failed', 'cancelled', 'skipped') and ${actedSteps(sql.raw('i'))}
          or ${outcome.status} = 'failed' and ${someStep(sql.raw('i'), isOwed)},
        queued_at = case when ${outcome.status} = 'queued' then now() else i.queued_at end,
        ended_at = case when ${outcome.status} = 'queued' then null else now() end
      from item where i.batch_id = item.batch_id and i.item_id = item.item_id
      returning i.batch_id, i.workflow, i.scope, i.item_id, i.version, i.invokers, ${movedColumns}
    ),
    ${outcome.status === 'succeeded' ? storeResult(outcome, { inputTokens, outputTokens }) : noResult},
    ${settle(pageSize, tried)}
    select
      s.status as "batchStatus", stored.generated_at::text as "generatedAt", stored.expires_at::text as "expiresAt",
      (select number from next_page) as "nextPage", batch.attempt as "batchAttempt", moved.attempt,
      moved.status <> 'queued' and moved.invokers <> '[]' as "isInvoked",
      s.throttled_rate is distinct from batch.throttled_rate as "paceChanged"
    from moved join batch on true join settled s on true left join stored on true`
  const [ended] = await queryRows(db, statement, row)
  if (ended === undefined) return undefined
  const { nextPage, batchAttempt, ...rest } = ended
  return { ...rest, nextPage: nextPage === null ? null : { page: nextPage, attempt: batchAttempt } }
}

const noError = { fingerprint: null, message: null }

const storeResult = (outcome: Outcome & { status: 'succeeded' }, usage: Usage) => sql`
  stored as (
    insert into results (
      workflow, scope, item_id, version, data, model, input_tokens, output_tokens, batch_id, generated_at, expires_at
    )
    select
      workflow, scope, item_id, version, ${JSON.stringify(outcome.data)}::jsonb, ${outcome.model},
      ${usage.inputTokens}::int, ${usage.outputTokens}::int, batch_id,
      now(), now() + make_interval(secs => ${outcome.freshForSeconds})
    from moved
    on conflict (workflow, scope, item_id) do update set
      version = excluded.version, data = excluded.data, model = excluded.model,
      input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens,
      batch_id = excluded.batch_id, generated_at = excluded.generated_at, expires_at = excluded.expires_at
    returning generated_at, expires_at
  )`

const noResult = sql`stored as (select null::timestamptz as generated_at, null::timestamptz as expires_at)`
