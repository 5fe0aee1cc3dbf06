import { sql, type SQL } from 'drizzle-orm'
import { z } from 'zod'
import { queryRows, type Db } from '../../../db/client.ts'
import type { Json } from '../../../workflows/contract.ts'
import type { Spent } from '../end-item.ts'
import { usdOf } from '../settle.ts'
import type { StepAt } from './begin-step.ts'
import type { StoredError } from './recorded.ts'

/** What became of a try of a step, or of its undoing. */
export type StepEnd =
  | { status: 'done'; result: Json }
  | { status: 'failed'; error: StoredError; uncertain: boolean }
  /** Given back, to be tried again. `counts`: it was one of its tries; `uncertain`: it may have done something. */
  | { status: 'again'; error: StoredError; counts: boolean; uncertain: boolean }
  /** `alone`: it had failed, and the handler goes on without it. */
  | { status: 'undone'; alone: boolean }
  /** Its undoing is to be tried again. */
  | { status: 'undo_again'; error: StoredError; counts: boolean }
  /** Its undoing failed for good: it is as done as before. */
  | { status: 'not_undone'; error: StoredError }

/** False: the claim was lost, or it was finished before. What the try took is booked once. */
export async function finishStep(
  db: Db,
  { batchId, itemId, name, token }: StepAt & { token: string },
  end: StepEnd,
  spent: Spent & { acted: boolean },
): Promise<boolean> {
  const key = sql`t.batch_id = ${batchId}::uuid and t.item_id = ${itemId} and t.name = ${name}`
  const { workMs } = spent
  const statement = sql`
    with ${book(batchId, itemId, sql`${key} and (t.token is distinct from ${token}::uuid or t.lease_until is not null)`, spent)},
    finished as (
      update item_steps t set ${change(end)}, lease_until = null, work_ms = t.work_ms + ${workMs}::int,
        acted = t.acted or ${spent.acted}::boolean
      from (select count(*) from booked) before
      where ${key} and t.token = ${token}::uuid and t.status in ('running', 'undoing') and t.lease_until is not null
      returning t.batch_id, t.item_id, t.name, t.status, t.position, t.turn
    ),
    ${voidWaits}
    select name from finished`
  return (await queryRows(db, statement, z.object({ name: z.string() }))).length > 0
}

/**
 * CTE: what was waited for, or given, as an answer to a step that is undone now does not stand any more. Where the handler
 * has not said to which, it is to this one, unless a step that stands was begun with it or came between. A step that is
 * undone by itself, since the handler goes on without it, takes nothing with it.
 */
const voidWaits = sql`
    voided as (
      update item_steps t set status = 'undone', undone_at = now()
      from finished f join batch_items i on i.batch_id = f.batch_id and i.item_id = f.item_id
      where f.status = 'undone' and i.undoing is not null and t.batch_id = f.batch_id and t.item_id = f.item_id
        and t.kind in ('sleep', 'event') and t.status in ('waiting', 'given', 'done') and case
          when t.answer_to is not null then t.answer_to = f.name
          else t.position > f.position and not exists (
            select 1 from item_steps s where s.batch_id = f.batch_id and s.item_id = f.item_id and s.kind in ('step', 'call')
              and (s.status not in ('undone', 'failed') or s.uncertain) and s.name <> f.name and s.turn >= f.turn and s.position < t.position) end
    )`

function change(end: StepEnd): SQL {
  const error = 'error' in end ? sql`${JSON.stringify(end.error)}::jsonb` : sql`null::jsonb`
  switch (end.status) {
    case 'done':
      return sql`status = 'done', result = ${JSON.stringify(end.result)}::jsonb, error = null, uncertain = false,
        ended_at = now()`
    case 'failed':
      return sql`status = 'failed', error = ${error}, uncertain = t.uncertain or ${end.uncertain}::boolean, ended_at = now()`
    case 'again':
      return sql`error = ${error}, tries = t.tries - ${Number(!end.counts)}::int,
        uncertain = t.uncertain or ${end.uncertain}::boolean`
    case 'undone':
      return sql`status = 'undone', uncertain = false, undo_error = null, undone_at = now(),
        undone_alone = ${end.alone}::boolean`
    case 'undo_again':
      return sql`undo_error = ${error}, undo_tries = t.undo_tries - ${Number(!end.counts)}::int`
    case 'not_undone':
      return sql`status = case when t.result is null and t.uncertain then 'failed' else 'done' end, undo_error = ${error}`
  }
}

/**
 * CTEs that add up the tokens of a try, if it is `unbooked`; without any, the batch is not touched, nor locked. They come
 * before the step is, since whoever begins one locks the batch first.
 */
function book(batchId: string, itemId: string, unbooked: SQL, { inputTokens, outputTokens }: Spent): SQL {
  if (inputTokens + outputTokens === 0) return sql`booked as (select 1)`
  const input = sql`(i.input_tokens + ${inputTokens}::int)`
  const output = sql`(i.output_tokens + ${outputTokens}::int)`
  return sql`
    batch as (
      select * from batches where id = ${batchId}::uuid and exists (select 1 from item_steps t where ${unbooked})
      for no key update
    ),
    booked as (
      update batches b set input_tokens = b.input_tokens + ${inputTokens}::bigint,
        output_tokens = b.output_tokens + ${outputTokens}::bigint,
        item_tokens = greatest(b.item_tokens, ${input} + ${output}),
        item_usd = greatest(b.item_usd, ${usdOf(input, output)})
      from batch join batch_items i on i.batch_id = batch.id and i.item_id = ${itemId} where b.id = batch.id
      returning b.id
    ),
    added as (
      update batch_items i set input_tokens = i.input_tokens + ${inputTokens},
        output_tokens = i.output_tokens + ${outputTokens}
      from booked where i.batch_id = booked.id and i.item_id = ${itemId}
    )`
}
