import { sql, type SQL } from 'drizzle-orm'
import { z } from 'zod'
import { morePages } from './bounds.ts'
import type { DueItem } from './due-items.ts'
import { isUntold } from './item-steps/give-event.ts'
import { logHealedItems } from './log-heal.ts'
import type { NextPage } from './settle.ts'

const row = z.object({
  attempt: z.int(),
  page: z.int().nullable(),
  superseded: z.array(z.object({ id: z.string(), attempt: z.int() })),
})

/**
 * The second statement of a transaction whose first has locked and changed the batch; without that change it does
 * nothing. Every item of `which` that is queued, whose worker is dead, or whose wait is long over, gets a new attempt.
 * Its row says which page to trigger: the first with such items, else, if `nextPage`, the next one to read.
 *
 * @param wanted.which condition on `batch_items i`.
 * @param wanted.heals each item is logged as healed.
 */
export const requeue = (
  batchId: string,
  wanted: { which: SQL; nextPage: boolean; heals: boolean },
): SQL => sql`
  with batch as (
    select * from batches where id = ${batchId}::uuid and status in ('running', 'completed') and xmin = pg_current_xact_id()::xid
  ),
  item as (
    select i.item_id, i.status from batch join batch_items i on i.batch_id = batch.id
    where ${wanted.which} and (i.status = 'queued' or (i.status = 'running' and i.lease_until <= now())
      or (i.status = 'waiting' and i.waiting_until <= now() - interval '60 seconds')
      or (${wanted.heals}::boolean and ${isUntold(sql.raw('i'))}))
  ),
  requeued as (
    update batch_items i set
      status = 'queued', token = null, lease_until = null, attempt = i.attempt + 1,
      error = case when i.undoing is not null then i.error end, fingerprint = null, waiting_for = null,
      waiting_until = null, queued_at = now()
    from item where i.batch_id = ${batchId}::uuid and i.item_id = item.item_id
    returning i.batch_id, i.workflow, i.item_id, i.page, i.attempt, item.status as was
  ),
  counted as (
    update batches b set running = b.running - n, waiting = b.waiting - woken
    from (
      select (count(*) filter (where was = 'running'))::int as n, (count(*) filter (where was = 'waiting'))::int as woken
      from requeued) stopped
    where b.id = ${batchId}::uuid and n + woken > 0
  ),
  logged as (
    ${logHealedItems('heal.item', sql`requeued where ${wanted.heals}::boolean`)}
  )
  select batch.attempt, coalesce((
      select jsonb_agg(jsonb_build_object('id', item_id, 'attempt', attempt - 1)) from requeued), '[]') as superseded,
    coalesce((select min(page) from requeued),
      case when ${wanted.nextPage} and ${morePages(sql.raw('batch'))} and not batch.awaiting_room
        then batch.pages + 1 end) as page
  from batch`

/** What `requeue` did: the page to trigger, or null, and the attempts that have been superseded. */
export function parseRequeued(value: unknown): { nextPage: NextPage | null; superseded: DueItem[] } {
  const { attempt, page, superseded } = row.parse(value)
  return { nextPage: page === null ? null : { page, attempt }, superseded }
}
