import { sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Db } from '../../../db/client.ts'
import { isOpen, overBudget, stoppedAs } from '../bounds.ts'
import { afterLock, hasRun, lockItem } from '../lock-item.ts'
import { movedColumns, settle, untried, type NextPage } from '../settle.ts'
import { eventPrefix } from './give-event.ts'
import { newRound, type Beginning } from './begin-step.ts'
import { storedError, type StoredError } from './recorded.ts'

const batch = sql.raw('batch')

/** How long to wait, in seconds, or until when, ISO 8601. */
export type WaitTime = { seconds: number } | { until: string }

export type WaitBegun =
  /**
   * It ends in so many seconds. The page that this made room for must be triggered. `repeated`: it had
   * begun before.
   */
  | {
      outcome: 'waiting'
      seconds: number
      /** How often it was begun anew though its earlier outcome was certain; part of its idempotency key. */
      round: number
      nextPage: NextPage | null
      batchStatus: string
      repeated: boolean
    }
  /** The time is over, or the event was given. */
  | { outcome: 'done'; result: z.output<ReturnType<typeof z.json>> }
  /** For good, unless an operator asks for another try. */
  | { outcome: 'failed'; error: StoredError }
  /** More than the budget of its batch is spent, so that no call is made. */
  | { outcome: 'spent' }
  /** Its batch takes no more work, so that no call is made, or was cancelled: nothing is waited for any more. */
  | { outcome: 'closed'; batchStatus: string }
  /** The item is at another attempt or has ended. */
  | { outcome: 'superseded' }

const row = z.object({
  gate: z.enum(['failed', 'closed', 'spent', 'open']),
  error: storedError.nullable(),
  batchStatus: z.string(),
  status: z.string().nullable(),
  seconds: z.coerce.number().nullable(),
  round: z.int().nullable(),
  result: z.json(),
  moved: z.boolean(),
  settledStatus: z.string().nullable(),
  nextPage: z.int().nullable(),
  batchAttempt: z.int(),
})

/**
 * Lets an item wait, which makes room for another one; not so a call, during which it is at work. A sleep, or a wait for an
 * event, that began in an earlier attempt goes on with what is left of it; a call is made again.
 */
export async function beginWait(
  db: Db,
  { batchId, itemId, attempt, name, undoable, turn }: Beginning,
  wait: { kind: 'sleep' | 'event' | 'call'; time: WaitTime; answerTo: string | null; pageSize: number },
): Promise<WaitBegun> {
  const { kind, time, answerTo, pageSize } = wait
  const isCall = sql`${kind === 'call'}::boolean`
  const until =
    'until' in time ? sql`${time.until}::timestamptz` : sql`now() + make_interval(secs => ${time.seconds})`
  // It was given before the step was begun anew whose answer it would be.
  const isStale = sql`(t.status = 'given' and exists (
    select 1 from item_steps f where f.batch_id = t.batch_id and f.item_id = t.item_id and f.name = ${answerTo}::text
      and f.round > 1 and f.position > t.position))`
  const isThere = sql`(t.status in ('done', 'given') and not ${isStale})`
  const waitsUntil = sql`(
    case when ${isCall} or ${newRound} then excluded.until else coalesce(t.until, excluded.until) end)`
  const isOver = sql`(${isThere} or (not ${isCall} and ${waitsUntil} <= now()))`
  const statement = sql`
    with ${lockItem({ batchId, itemId }, sql`${hasRun(attempt)} and i.undoing is null`)},
    gate as (
      select item.*, t.error as step_error, case
          when t.status = 'failed' and t.attempt >= item.retried_attempt then 'failed'
          when batch.status = 'cancelled' or (${isCall} and not ${isOpen(batch)}) then 'closed'
          when ${isCall} and ${overBudget(batch, sql`0`)} then 'spent'
          else 'open' end as says
      from item join batch on true left join item_steps t
        on t.batch_id = item.batch_id and t.item_id = item.item_id and t.name = ${name}
    ),
    begun as (
      insert into item_steps as t (batch_id, item_id, name, kind, status, attempt, uncertain, undoable, turn, answer_to, until, ended_at)
      select gate.batch_id, gate.item_id, ${name}, ${kind},
        case when ${until} <= now() then 'done' else 'waiting' end, ${attempt}::int, ${isCall}, ${undoable}::boolean, ${turn}::int, ${answerTo}::text,
        ${until},
        case when ${until} <= now() then now() end
      from gate where gate.says = 'open'
      on conflict (batch_id, item_id, name) do update set
        kind = excluded.kind, position = case when ${newRound} then excluded.position else t.position end,
        attempt = excluded.attempt, undoable = excluded.undoable, turn = excluded.turn, answer_to = excluded.answer_to, uncertain = not ${isThere} and excluded.uncertain, error = null,
        round = t.round + ${newRound}::int, result = case when ${isThere} then t.result end,
        undo_tries = 0, undo_error = null, undone_at = null,
        until = ${waitsUntil}, status = case when ${isOver} then 'done' else 'waiting' end,
        ended_at = case when ${isOver} then coalesce(t.ended_at, now()) end
      returning t.*
    ),
    moved as (
      update batch_items i set
        status = case when ${isCall} then i.status else 'waiting' end, waiting_for = ${name.replace(eventPrefix, '')},
        waiting_until = begun.until, error = case when ${isCall} then i.error end, lease_until = case when ${isCall} then begun.until + interval '60 seconds' end
      from begun join item on true
      where begun.status = 'waiting' and item.status = 'running' and i.batch_id = item.batch_id
        and i.item_id = item.item_id
      returning ${movedColumns}
    ),
    ${settle(pageSize, untried)}
    select gate.says as gate, gate.step_error as error, batch.status as "batchStatus", begun.status, begun.result, begun.round,
      extract(epoch from begun.until - now()) as seconds, exists (select 1 from moved) as moved,
      s.status as "settledStatus", (select number from next_page) as "nextPage", batch.attempt as "batchAttempt"
    from gate join batch on true left join begun on true left join settled s on true`
  const [found] = await afterLock(db, { batchId, itemId }, statement)
  return found === undefined ? { outcome: 'superseded' } : whatBegan(row.parse(found))
}

function whatBegan(found: z.output<typeof row>): WaitBegun {
  const { gate, error, status, seconds, round, result, nextPage, batchAttempt } = found
  if (gate === 'failed' && error !== null) return { outcome: 'failed', error }
  if (gate === 'spent') return { outcome: 'spent' }
  if (gate !== 'open') return { outcome: 'closed', batchStatus: stoppedAs(found.batchStatus) }
  if (status !== 'waiting') return { outcome: 'done', result }
  return {
    outcome: 'waiting',
    seconds: Math.max(1, Math.ceil(seconds ?? 0)),
    round: round ?? 1,
    batchStatus: found.settledStatus ?? found.batchStatus,
    repeated: !found.moved,
    nextPage: nextPage === null ? null : { page: nextPage, attempt: batchAttempt },
  }
}
