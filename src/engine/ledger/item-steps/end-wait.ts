import { sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Db } from '../../../db/client.ts'
import type { Json, Usage } from '../../../workflows/contract.ts'
import { isOpen, overBudget, stoppedAs } from '../bounds.ts'
import { afterLock, hasRun, lockItem } from '../lock-item.ts'
import { movedColumns, settle, untried } from '../settle.ts'
import { eventPrefix } from './give-event.ts'
import type { StepAt } from './begin-step.ts'
import type { StoredError } from './recorded.ts'

/** What the wait came to. */
export type WaitEnd =
  /** The time is over, or the event was given: then its data is in the ledger. */
  | { status: 'over' }
  /** The call was answered. */
  | { status: 'answered'; result: Json }
  /** The answer is none that was wanted; one of its tries may have done something all the same. */
  | { status: 'failed'; error: StoredError }
  /** The call is to be made once more. */
  | { status: 'again'; error: StoredError }

export type Woken =
  | { outcome: 'woken'; result: z.output<ReturnType<typeof z.json>> }
  /** Its batch takes no more work: the item is queued again, with what it has waited for. */
  | { outcome: 'closed'; batchStatus: string }
  /** The budget of its batch has no room for it now: it is queued again, and a run of its next attempt must be triggered. */
  | { outcome: 'crowded'; attempt: number }
  | { outcome: 'cancelled' }
  /** The item is at another attempt or has ended. */
  | { outcome: 'superseded' }

const batch = sql.raw('batch')

const row = z.object({
  batchStatus: z.string(),
  open: z.boolean(),
  crowded: z.boolean(),
  moved: z.boolean(),
  attempt: z.int(),
  result: z.json(),
})

/**
 * Ends a wait: the item goes on, unless its gate is closed, or what is left of the budget is reserved for items at work.
 *
 * @param called what a call has used, whatever came of it.
 */
export async function endWait(
  db: Db,
  { batchId, itemId, attempt, name }: StepAt,
  end: WaitEnd,
  { pageSize }: { pageSize: number },
  called: Usage,
): Promise<Woken> {
  const answer = 'result' in end ? JSON.stringify(end.result) : null
  const error = 'error' in end ? JSON.stringify(end.error) : null
  const statement = sql`
    with ${lockItem({ batchId, itemId }, hasRun(attempt))},
    gate as (
      select batch.status = 'cancelled' or ${isOpen(batch)} as open, batch.status <> 'cancelled'
        and item.status = 'waiting' and ${overBudget(batch, sql`batch.running + 1`)} as crowded
      from batch join item on true
    ),
    step as (
      update item_steps t set
        status = ${end.status === 'failed' ? 'failed' : end.status === 'again' ? 'waiting' : 'done'},
        result = coalesce(${answer}::jsonb, t.result), error = ${error}::jsonb, ended_at = now(),
        uncertain = t.uncertain and ${'error' in end}::boolean
      from item where t.batch_id = item.batch_id and t.item_id = item.item_id and t.name = ${name}
        and t.status in ('waiting', 'given') and ${end.status === 'again' ? sql`t.error is null` : sql`true`}
      returning t.*
    ),
    moved as (
      update batch_items i set
        status = case when gate.open and not gate.crowded then 'running' else 'queued' end, waiting_for = null, waiting_until = null,
        queued_at = now(), attempt = i.attempt + (gate.open and gate.crowded)::int,
        lease_until = case when gate.open and not gate.crowded then now() + interval '60 seconds' end,
        input_tokens = i.input_tokens + ${called.inputTokens}, output_tokens = i.output_tokens + ${called.outputTokens}
      from item join gate on true left join step on true
      where i.batch_id = item.batch_id and i.item_id = item.item_id
        and (step.kind = 'call' or (item.status = 'waiting' and item.waiting_for = ${name.replace(eventPrefix, '')}))
      returning ${movedColumns}
    ),
    ${settle(pageSize, { ...untried, ...called })}
    select batch.status as "batchStatus", gate.open, gate.crowded, m.attempt is not null as moved, coalesce(m.attempt, item.attempt) as attempt, coalesce(step.result, t.result) as result
    from item join batch on true join gate on true left join step on true
    left join item_steps t on t.batch_id = item.batch_id and t.item_id = item.item_id and t.name = ${name}
    left join moved m on true left join settled on true`
  const [found] = await afterLock(db, { batchId, itemId }, statement)
  if (found === undefined) return { outcome: 'superseded' }
  const { open, crowded, moved, attempt: next, batchStatus, result } = row.parse(found)
  if (batchStatus === 'cancelled') return { outcome: 'cancelled' }
  if (!open && moved) return { outcome: 'closed', batchStatus: stoppedAs(batchStatus) }
  if (crowded && moved) return { outcome: 'crowded', attempt: next }
  return { outcome: 'woken', result }
}
