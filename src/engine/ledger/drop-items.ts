import { sql, type SQL } from 'drizzle-orm'
import { z } from 'zod'
import type { DueItem } from './due-items.ts'
import { asCancelled } from './item-steps/recorded.ts'
import { logHealedItems } from './log-heal.ts'
import type { NextPage } from './settle.ts'

const row = z.object({
  superseded: z.array(z.object({ id: z.string(), attempt: z.int() })),
  page: z.int().nullable(),
  attempt: z.int(),
  isInvoked: z.boolean(),
})

/**
 * The second statement of a transaction whose first has locked the batch: ends the items of a cancelled batch that are
 * queued, or whose worker is dead. Durable ones that have begun, also those that wait, get a new attempt, in which what
 * they have done is undone; one that is undone already goes on, unless the first statement has changed the batch.
 *
 * @param wanted.which condition on `batch_items i`.
 * @param wanted.heals each item is logged as healed.
 */
export const dropItems = (batchId: string, wanted: { which: SQL; heals: boolean }): SQL => sql`
  with item as (
    select i.batch_id, i.item_id, i.status, b.workflow, i.handler is not null and i.claims > 0 as begun
    from batches b join batch_items i on i.batch_id = b.id
    where b.id = ${batchId}::uuid and b.status = 'cancelled' and ${wanted.which}
      and (i.status in ('queued', 'waiting') or (i.status = 'running' and i.lease_until <= now()))
      and (i.undoing is null or ${wanted.heals}::boolean or b.xmin = pg_current_xact_id()::xid)
  ),
  dropped as (
    update batch_items i set
      status = case when begun then 'queued' else 'cancelled' end, token = null, lease_until = null,
      waiting_for = null, waiting_until = null, attempt = i.attempt + begun::int,
      undoing = case when begun then ${asCancelled(sql.raw('i'))} end,
      queued_at = case when begun then now() else i.queued_at end, ended_at = case when not begun then now() end
    from item where i.batch_id = item.batch_id and i.item_id = item.item_id
    returning i.batch_id, i.workflow, i.item_id, i.attempt, i.page, i.invokers, item.status as was, item.begun
  ),
  kept as (
    update batch_items i set retry = false where i.batch_id = ${batchId}::uuid and i.retry
  ),
  counted as (
    update batches b set cancelled = b.cancelled + n, running = b.running - stopped, waiting = b.waiting - woken
    from (
      select (count(*) filter (where not begun))::int as n, (count(*) filter (where was = 'running'))::int as stopped,
        (count(*) filter (where was = 'waiting'))::int as woken
      from dropped) c
    where b.id = ${batchId}::uuid and n + stopped + woken > 0
  ),
  logged as (
    ${logHealedItems('heal.cancelled-item', sql`dropped where ${wanted.heals}::boolean`)}
  )
  select coalesce((
      select jsonb_agg(jsonb_build_object('id', item_id, 'attempt', attempt - begun::int)) from dropped), '[]')
      as superseded,
    (select min(page) from dropped where begun) as page, b.attempt,
    exists (select 1 from dropped d where not d.begun and d.invokers <> '[]') as "isInvoked"
  from batches b where b.id = ${batchId}::uuid`

export type Dropped = {
  /** The runs of these have nothing to do any more. */
  superseded: DueItem[]
  /** The page to trigger, so that items are undone; null: there is nothing to undo. */
  nextPage: NextPage | null
  /** Somebody is to hear of the end of one of them. */
  isInvoked: boolean
}

/** What `dropItems` did. */
export function parseDropped(value: unknown): Dropped {
  if (value === undefined) return { superseded: [], nextPage: null, isInvoked: false }
  const { page, attempt, ...rest } = row.parse(value)
  return { ...rest, nextPage: page === null ? null : { page, attempt } }
}
