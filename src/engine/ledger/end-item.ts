import { sql, type SQL } from 'drizzle-orm'
import { z } from 'zod'
import { queryRows, type Db } from '../../db/client.ts'
import type { Json, Usage } from '../../workflows/contract.ts'
import { settleBatch, type NextPage } from './settle-batch.ts'

export type Outcome =
  | { status: 'succeeded'; data: Json; model: string | null; freshForSeconds: number | null }
  | { status: 'skipped' | 'failed' | 'cancelled'; error: { name: string; message: string } }

export type Ended = {
  /** The stored result's times, ISO 8601; null unless the item succeeded. */
  generatedAt: string | null
  expiresAt: string | null
  /** The page that this made room for; it must be triggered. */
  nextPage: NextPage | null
}

const instant = z
  .string()
  .transform((text) => new Date(text).toISOString())
  .nullable()
const row = z.object({
  generatedAt: instant,
  expiresAt: instant,
  nextPage: z.int().nullable(),
  attempt: z.int(),
})

type Item = { batchId: string; itemId: string; pageSize: number }

/** The save: ends a claimed item if the claim is still ours. Undefined: it is not, and nothing was written. */
export const saveItem = (db: Db, item: Item & { token: string }, outcome: Outcome, usage: Usage) =>
  endItem(db, item, outcome, usage, sql`i.status = 'running' and i.token = ${item.token}::uuid`)

/**
 * Ends an item whose run has died: one whose claim is over, or that a delivery had tried. Undefined: it has ended, its
 * claim is still alive, a later attempt has its own run, or no delivery ever reached it.
 */
export const abandonItem = (db: Db, item: Item & { attempt: number }, outcome: Outcome) =>
  endItem(
    db,
    item,
    outcome,
    nothing,
    sql`i.attempt = ${item.attempt} and (
      (i.status = 'running' and i.lease_until <= now()) or (i.status = 'queued' and i.error is not null))`,
  )

/** Ends an item of a cancelled batch that was at work when it was cancelled. Undefined: there was nothing to end. */
export const dropItem = (db: Db, item: Item) =>
  endItem(
    db,
    item,
    { status: 'cancelled', error: { name: 'Cancelled', message: 'the batch was cancelled' } },
    nothing,
    sql`batch.status = 'cancelled'
      and (i.status = 'queued' or (i.status = 'running' and i.lease_until <= now()))`,
  )

const nothing: Usage = { inputTokens: 0, outputTokens: 0 }

async function endItem(
  db: Db,
  { batchId, itemId, pageSize }: Item,
  outcome: Outcome,
  usage: Usage,
  ours: SQL,
): Promise<Ended | undefined> {
  const error = outcome.status === 'succeeded' ? null : JSON.stringify(outcome.error)
  const statement = sql`
    with batch as (select * from batches where id = ${batchId}::uuid for update),
    moved as (
      update batch_items i set
        status = ${outcome.status}, error = ${error}::jsonb, token = null, lease_until = null,
        input_tokens = i.input_tokens + ${usage.inputTokens}, output_tokens = i.output_tokens + ${usage.outputTokens},
        ended_at = now()
      from batch where i.batch_id = batch.id and i.item_id = ${itemId} and ${ours}
      returning i.batch_id, i.workflow, i.scope, i.item_id, i.version, i.status
    ),
    ${outcome.status === 'succeeded' ? storeResult(outcome, usage) : noResult},
    ${settleBatch(pageSize)}
    select
      stored.generated_at::text as "generatedAt", stored.expires_at::text as "expiresAt",
      (select number from next_page) as "nextPage", batch.attempt
    from moved join batch on true left join stored on true`
  const [ended] = await queryRows(db, statement, row)
  if (ended === undefined) return undefined
  const { nextPage, attempt, ...times } = ended
  return { ...times, nextPage: nextPage === null ? null : { page: nextPage, attempt } }
}

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
