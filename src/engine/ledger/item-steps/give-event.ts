import { sql, type SQL } from 'drizzle-orm'
import { z } from 'zod'
import { queryRows, transact, type Db } from '../../../db/client.ts'
import type { StepRound } from '../../../db/schema.ts'
import type { Json } from '../../../workflows/contract.ts'
import { logChange, type By } from '../changes.ts'
import { unfinished } from '../needs-work.ts'
import { someStep } from './recorded.ts'

/** What the names of events begin with among those of an item's steps. */
export const eventPrefix = 'event:'

const row = z.object({
  batchId: z.uuid(),
  attempt: z.int(),
  /** The item waits for it just now. */
  waiting: z.boolean(),
  /** It is the event that the item has got or will get; false: another one came first, or its wait is over. */
  counts: z.boolean(),
})

/** An event of an item, in every batch that has it unfinished or in one. `answers`: it counts in that round of that step alone. */
export type EventTarget = {
  workflow: string
  itemId: string
  event: string
  batchId?: string
  answers?: StepRound | undefined
}

/** Who is to be told of an event. */
export type Given = z.output<typeof row>

const logged = (by: By, { workflow, itemId, event }: EventTarget) => sql`,
    logged as (${logChange(
      by,
      {
        action: sql`'item.event'`,
        workflow: sql`${workflow}`,
        batchId: sql`given.batch_id`,
        before: sql`null::jsonb`,
        after: sql`${JSON.stringify({ itemId, event })}::jsonb`,
      },
      sql`given`,
    )})`

/**
 * Gives an event to the unfinished items of a workflow with this id, one in every scope at most, whether they wait for
 * it already or not. The first event counts.
 */
export async function giveEvent(db: Db, to: EventTarget, data: Json, by: By | null): Promise<Given[]> {
  const statement = sql`
    with item as (
      select i.*, ${isAsked(sql.raw('i'), to.answers)} as asked from batch_items i where ${isTarget(to)} for no key update of i
    ),
    given as (
      insert into item_steps as t (batch_id, item_id, name, kind, status, attempt, result)
      select batch_id, item_id, ${eventPrefix + to.event}, 'event', 'given', attempt, ${JSON.stringify({ data })}::jsonb
      from item where asked
      on conflict (batch_id, item_id, name) do update set status = 'given', result = excluded.result, error = null,
        position = case when t.status = 'waiting' then t.position else excluded.position end
        where t.status in ('waiting', 'failed', 'undone') and t.kind = 'event'
      returning t.batch_id
    )${by === null ? sql`` : logged(by, to)}
    select item.batch_id as "batchId", item.attempt, item.asked and item.waiting_for is not distinct from ${to.event}
        and not ${isAsleep(sql.raw('item'), sql`${to.event}::text`)} as waiting,
      given.batch_id is not null or t.result is not distinct from ${JSON.stringify({ data })}::jsonb as counts
    from item left join given on given.batch_id = item.batch_id left join item_steps t
      on t.batch_id = item.batch_id and t.item_id = item.item_id and t.name = ${eventPrefix + to.event}`
  // Before it is judged: whoever holds the item may be giving it the same event.
  const lock = sql`select 1 from batch_items i where ${isTarget(to)} for no key update`
  const [, given] = await transact(db, lock, statement)
  return given.map((found) => row.parse(found))
}

/** Condition on `batch_items i`. */
const isTarget = ({ workflow, itemId, batchId }: EventTarget) => sql`(
  i.workflow = ${workflow} and i.item_id = ${itemId} and (i.batch_id = ${batchId ?? null}::uuid) is not false
  and i.status in ${unfinished} and i.handler is not null and i.undoing is null)`

/** The step of the item `i` that asks for it is in the same round. */
const isAsked = (i: SQL, answers: StepRound | undefined) =>
  answers === undefined
    ? sql`true`
    : someStep(i, sql`t.name = ${answers.step} and t.round = ${answers.round}::int and t.status <> 'undone'`)

/** The item `i` waits in something of this name, but not for an event. */
const isAsleep = (i: SQL, event: SQL) => someStep(i, sql`t.name = ${event} and t.status = 'waiting'`)

const untold = z.object({ batchId: z.uuid(), itemId: z.string(), attempt: z.int(), event: z.string() })

/** So many are told in one go. */
const mostTold = 500

/** The item `i` waits for an event which it has been given. */
export const isUntold = (i: SQL): SQL =>
  sql`(${i}.status = 'waiting' and not ${isAsleep(i, sql`${i}.waiting_for`)} and ${someStep(
    i,
    sql`t.name = ${eventPrefix}::text || ${i}.waiting_for and t.status = 'given'`,
  )})`

/** Items that wait for an event which they have been given. */
export const untoldEvents = (db: Db, workflow: string): Promise<z.output<typeof untold>[]> =>
  queryRows(
    db,
    sql`
      select i.batch_id as "batchId", i.item_id as "itemId", i.attempt, i.waiting_for as event
      from batch_items i where i.workflow = ${workflow} and ${isUntold(sql.raw('i'))}
      order by i.queued_at limit ${mostTold}::int`,
    untold,
  )
