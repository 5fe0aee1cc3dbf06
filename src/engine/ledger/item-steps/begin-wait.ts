import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { queryRows, type Db } from '../../../db/client.ts'
import { isOpen, stoppedAs } from '../bounds.ts'
import { hasRun, lockItem } from '../lock-item.ts'
import { movedColumns, settle, untried, type NextPage } from '../settle.ts'
import { eventPrefix } from './give-event.ts'
import { newRound, type StepAt } from './begin-step.ts'

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
  /** Its batch takes no more work, so that no call is made, or was cancelled: nothing is waited for any more. */
  | { outcome: 'closed'; batchStatus: string }
  /** The item is at another attempt or has ended. */
  | { outcome: 'superseded' }

const row = z.object({
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
  { batchId, itemId, attempt, name }: StepAt,
  wait: { kind: 'sleep' | 'event' | 'call'; time: WaitTime; pageSize: number },
): Promise<WaitBegun> {
  const { kind, time, pageSize } = wait
  const isCall = sql`${kind === 'call'}::boolean`
  const until =
    'until' in time ? sql`${time.until}::timestamptz` : sql`now() + make_interval(secs => ${time.seconds})`
  const waitsUntil = sql`(
    case when ${isCall} or ${newRound} then excluded.until else coalesce(t.until, excluded.until) end)`
  const isOver = sql`(t.status in ('done', 'given') or (not ${isCall} and ${waitsUntil} <= now()))`
  const statement = sql`
    with ${lockItem({ batchId, itemId }, hasRun(attempt))},
    begun as (
      insert into item_steps as t (batch_id, item_id, name, kind, status, attempt, uncertain, until, ended_at)
      select item.batch_id, item.item_id, ${name}, ${kind},
        case when ${until} <= now() then 'done' else 'waiting' end, ${attempt}::int, ${isCall},
        ${until},
        case when ${until} <= now() then now() end
      from item join batch on batch.status <> 'cancelled' and (not ${isCall} or ${isOpen(sql.raw('batch'))})
      on conflict (batch_id, item_id, name) do update set
        attempt = excluded.attempt, uncertain = t.status not in ('done', 'given') and excluded.uncertain, error = null,
        round = t.round + ${newRound}::int, result = case when t.status in ('done', 'given') then t.result end,
        undo_tries = 0, undo_error = null, undone_at = null,
        until = ${waitsUntil}, status = case when ${isOver} then 'done' else 'waiting' end,
        ended_at = case when ${isOver} then coalesce(t.ended_at, now()) end
      returning t.*
    ),
    moved as (
      update batch_items i set
        status = case when ${isCall} then i.status else 'waiting' end, waiting_for = ${name.replace(eventPrefix, '')},
        waiting_until = begun.until, lease_until = case when ${isCall} then begun.until + interval '60 seconds' end
      from begun join item on true
      where begun.status = 'waiting' and item.status = 'running' and i.batch_id = item.batch_id
        and i.item_id = item.item_id
      returning ${movedColumns}
    ),
    ${settle(pageSize, untried)}
    select batch.status as "batchStatus", begun.status, begun.result, begun.round,
      extract(epoch from begun.until - now()) as seconds, exists (select 1 from moved) as moved,
      s.status as "settledStatus", (select number from next_page) as "nextPage", batch.attempt as "batchAttempt"
    from item join batch on true left join begun on true left join settled s on true`
  const [found] = await queryRows(db, statement, row)
  if (found === undefined) return { outcome: 'superseded' }
  const { status, seconds, round, result, nextPage, batchAttempt } = found
  if (status === null) return { outcome: 'closed', batchStatus: stoppedAs(found.batchStatus) }
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
