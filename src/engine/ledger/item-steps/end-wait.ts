import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { queryRows, type Db } from '../../../db/client.ts'
import type { Json, Usage } from '../../../workflows/contract.ts'
import { isOpen, stoppedAs } from '../bounds.ts'
import { hasRun, lockItem } from '../lock-item.ts'
import { movedColumns, settle, untried } from '../settle.ts'
import type { StepAt } from './begin-step.ts'
import type { StoredError } from './recorded.ts'

/** What the wait came to. */
export type WaitEnd =
  /** The time is over, or the event was given: then its data is in the ledger. */
  | { status: 'over' }
  /** The call was answered. */
  | { status: 'answered'; result: Json; usage: Usage }
  /** The answer is none that was wanted. `uncertain`: the call may have done something all the same. */
  | { status: 'failed'; error: StoredError; uncertain: boolean }
  /** The call is to be made once more. */
  | { status: 'again'; error: StoredError }

export type Woken =
  | { outcome: 'woken'; result: z.output<ReturnType<typeof z.json>> }
  /** Its batch takes no more work: the item is queued again, with what it has waited for. */
  | { outcome: 'closed'; batchStatus: string }
  | { outcome: 'cancelled' }
  /** The item is at another attempt or has ended. */
  | { outcome: 'superseded' }

const row = z.object({
  batchStatus: z.string(),
  open: z.boolean(),
  moved: z.boolean(),
  result: z.json(),
})

/** Ends a wait: the item goes on, unless its gate is closed. */
export async function endWait(
  db: Db,
  { batchId, itemId, attempt, name }: StepAt,
  end: WaitEnd,
  { pageSize }: { pageSize: number },
): Promise<Woken> {
  const answer = 'result' in end ? JSON.stringify(end.result) : null
  const error = 'error' in end ? JSON.stringify(end.error) : null
  const usage = end.status === 'answered' ? end.usage : { inputTokens: 0, outputTokens: 0 }
  const statement = sql`
    with ${lockItem({ batchId, itemId }, hasRun(attempt))},
    gate as (
      select batch.status = 'cancelled' or ${isOpen(sql.raw('batch'))} as open
      from batch
    ),
    step as (
      update item_steps t set
        status = ${end.status === 'failed' ? 'failed' : end.status === 'again' ? 'waiting' : 'done'},
        result = coalesce(${answer}::jsonb, t.result), error = ${error}::jsonb, ended_at = now(),
        uncertain = ${end.status === 'failed' ? sql`${end.uncertain}::boolean` : sql`t.uncertain and ${end.status === 'again'}::boolean`}
      from item where t.batch_id = item.batch_id and t.item_id = item.item_id and t.name = ${name}
        and t.status in ('waiting', 'given')
      returning t.*
    ),
    moved as (
      update batch_items i set
        status = case when gate.open then 'running' else 'queued' end, waiting_for = null, waiting_until = null,
        queued_at = case when gate.open then i.queued_at else now() end,
        lease_until = case when gate.open then now() + interval '60 seconds' end,
        input_tokens = i.input_tokens + ${usage.inputTokens}, output_tokens = i.output_tokens + ${usage.outputTokens}
      from item join gate on true left join step on true
      where (item.status = 'waiting' or step.kind = 'call') and i.batch_id = item.batch_id and i.item_id = item.item_id
      returning ${movedColumns}
    ),
    ${settle(pageSize, { ...untried, ...usage })}
    select batch.status as "batchStatus", gate.open, exists (select 1 from moved) as moved, coalesce(step.result, t.result) as result
    from item join batch on true join gate on true left join step on true
    left join item_steps t on t.batch_id = item.batch_id and t.item_id = item.item_id and t.name = ${name}
    left join settled on true`
  const [found] = await queryRows(db, statement, row)
  if (found === undefined) return { outcome: 'superseded' }
  const { open, moved, batchStatus, result } = found
  if (batchStatus === 'cancelled') return { outcome: 'cancelled' }
  if (!open && moved) return { outcome: 'closed', batchStatus: stoppedAs(batchStatus) }
  return { outcome: 'woken', result }
}
