import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { queryRows, type Db } from '../../db/client.ts'
import { batchStatuses, itemStatuses, undoings } from '../../db/schema.ts'
import type { Json, Params, Workflow } from '../../workflows/contract.ts'
import { isOpen, killed, morePages, overBudget, statusPaused, stoppedAs } from './bounds.ts'
import { logBatchChange, rounds } from './changes.ts'
import { asCancelled, recordedStep, recordedSteps, storedError, type Durable } from './item-steps/recorded.ts'
import { unfinished } from './needs-work.ts'
import type { ItemState } from './item-state.ts'

/** A result that a sample made of the same version of the item. */
export type Prepared = { data: Json; model: string | null }

export type Claim =
  | {
      outcome: 'claimed'
      token: string
      version: string
      params: Params
      scope: string
      prepared: Prepared | null
      /** Null: its work is one step. */
      durable: Durable | null
    }
  /** Ended before; `nextPage` is the page that an interrupted delivery may have left untriggered. */
  | ({ outcome: 'finished' } & ItemState)
  /** A live claim holds it for that long. */
  | { outcome: 'busy'; retryAfterSeconds: number }
  /** The batch takes no more work. */
  | { outcome: 'closed'; batchStatus: string }
  /** The budget has room for it only when items at work have used less than is reserved for them: a new run comes later. */
  | { outcome: 'crowded'; attempt: number }
  /** A later attempt, which the item has, has its own run. */
  | { outcome: 'superseded'; attempt: number; queued: boolean }
  | { outcome: 'unknown' }

const row = z.object({
  outcome: z.enum(['claimed', 'again', 'finished', 'busy', 'closed', 'superseded', 'spent', 'crowded']),
  batchStatus: z.enum(batchStatuses),
  params: z.record(z.string(), z.json()),
  scope: z.string(),
  batchAttempt: z.int(),
  pages: z.int(),
  paginating: z.boolean(),
  itemStatus: z.enum(itemStatuses),
  version: z.string(),
  attempt: z.int(),
  leaseSeconds: z.coerce.number().nullable(),
  prepared: z.object({ data: z.json(), model: z.string().nullable() }).nullable(),
  handler: z.int().nullable(),
  undoing: z.enum(undoings).nullable(),
  error: storedError.nullable(),
  steps: z.array(recordedStep),
  isInvoked: z.boolean(),
})

const batch = sql.raw('batch')

/**
 * The gate. Locks the batch, so that a pause or cancel that has answered is seen, checks what bounds it, and marks the
 * item `running` with a fencing token and a lease. A batch whose budget has no room for one more item beside what is
 * spent pauses, as does what lasts on of one that is complete; otherwise nothing changes at a closed gate: resuming gives the item a new run.
 *
 * A durable item is its attempt's: claiming it again changes nothing, and its steps have leases of their own. One that has
 * begun in a batch that was cancelled is claimed to be undone.
 */
export async function claimItem(
  db: Db,
  workflow: Workflow,
  item: { batchId: string; itemId: string; attempt: number },
  lease: { token: string; seconds: number },
): Promise<Claim> {
  const { batchId, itemId, attempt } = item
  const statement = sql`
    with batch as (
      select * from batches where id = ${batchId}::uuid and workflow = ${workflow.name} for no key update
    ),
    item as (
      select i.* from batch join batch_items i on i.batch_id = batch.id and i.item_id = ${itemId}
      for no key update of i
    ),
    ${judgeClaim(attempt)},
    claimed as (
      update batch_items i set
        status = 'running', token = ${lease.token}::uuid, lease_until = now() + make_interval(secs => ${lease.seconds}),
        claims = i.claims + 1, started_at = coalesce(i.started_at, now())
      from gate g where g.outcome = 'claimed' and i.batch_id = g.batch_id and i.item_id = g.item_id
    ),
    put_off as (
      update batch_items i set
        status = 'queued', token = null, lease_until = null, attempt = i.attempt + 1, queued_at = now()
      from gate g where g.outcome = 'crowded' and i.batch_id = g.batch_id and i.item_id = g.item_id
    ),
    counted as (
      update batches b set
        running = b.running + (g.outcome = 'claimed' and g.status = 'queued')::int
          - (g.outcome = 'crowded' and g.status = 'running')::int,
        duplicates = b.duplicates + (g.outcome in ('finished', 'busy', 'superseded'))::int,
        status = case when g.outcome = 'spent' then ${statusPaused(sql.raw('b'))} else b.status end,
        paused_by = case when g.outcome = 'spent' then 'budget' else b.paused_by end,
        reason = case when g.outcome = 'spent' then ${spent} else b.reason end
      from gate g where b.id = g.batch_id and g.outcome <> 'closed'
      returning b.*
    ),
    logged as (
      ${logBatchChange(rounds, sql`'batch.pause'`, batch, sql.raw('c'), sql`counted c join batch on c.paused_by is distinct from batch.paused_by`)}
    )
    select
      g.outcome, batch.status as "batchStatus", batch.params, batch.scope, batch.attempt as "batchAttempt", batch.pages,
      batch.status = 'running' and ${morePages(batch)} and not batch.awaiting_room as paginating,
      g.status as "itemStatus", g.version, g.attempt, extract(epoch from coalesce(g.step_lease, g.lease_until) - now()) as "leaseSeconds",
      g.prepared, g.handler, case when batch.status = 'cancelled' then ${asCancelled(sql.raw('g'))} else g.undoing end as undoing,
      g.error, g.invokers <> '[]' as "isInvoked", case when g.handler is null then '[]' else ${recordedSteps(sql.raw('g'))} end as steps
    from gate g join batch on true`
  const [found] = await queryRows(db, statement, row)
  return found === undefined ? { outcome: 'unknown' } : judge(found, lease.token)
}

const spent = 'the budget has no room for another item'

/** CTE `gate`: the item with what is to happen to it, and what a sample has made of its version. */
const judgeClaim = (attempt: number) => sql`
    gate as (
      select item.*, case when s.item_id is not null then jsonb_build_object('data', s.output, 'model', s.model) end
        as prepared,
        live.step_lease,
        case
          when item.status not in ${unfinished} then 'finished'
          when item.handler is null and item.status = 'running' and item.lease_until > now() then 'busy'
          when item.attempt <> ${attempt} then 'superseded'
          when ${undone} and live.step_lease is not null then 'busy'
          when item.handler is not null and item.status <> 'queued' then 'again'
          when ${undone} then case when ${killed(batch)} then 'closed' else 'claimed' end
          when not ${isOpen(batch)} or (batch.status = 'completed' and item.claims = 0) then 'closed'
          when s.item_id is null and ${overBudget(batch, sql`1`)} then 'spent'
          when s.item_id is null and ${overBudget(batch, sql`(batch.running + (item.status = 'queued')::int)`)}
            then 'crowded'
          else 'claimed'
        end as outcome
      from batch join item on true
      left join sample_items s on s.sample_id = batch.sample_id and s.item_id = item.item_id
        and s.version = item.version and s.status = 'succeeded' and item.handler is null
      cross join lateral (
        select max(t.lease_until) as step_lease from item_steps t
        where item.handler is not null and t.batch_id = item.batch_id and t.item_id = item.item_id
          and t.lease_until > now()) live
    )`

/** It has done something that is not to stand. */
const undone = sql`(
  item.undoing is not null or (batch.status = 'cancelled' and item.handler is not null and item.claims > 0))`

function judge(found: z.output<typeof row>, token: string): Claim {
  const { params, scope, version, prepared, attempt } = found
  switch (found.outcome) {
    case 'claimed':
    case 'again': {
      const { handler, undoing, error, steps } = found
      const durable = handler === null ? null : { handler, undoing, error, steps }
      return { outcome: 'claimed', token, version, params, scope, prepared, durable }
    }
    case 'finished': {
      const nextPage = found.paginating ? { page: found.pages + 1, attempt: found.batchAttempt } : null
      const { itemStatus: status, batchStatus } = found
      return { outcome: 'finished', status, scope, batchStatus, nextPage, isInvoked: found.isInvoked }
    }
    case 'busy':
      return { outcome: 'busy', retryAfterSeconds: Math.max(1, Math.ceil(found.leaseSeconds ?? 0)) }
    case 'superseded':
      return { outcome: 'superseded', attempt, queued: found.itemStatus === 'queued' }
    case 'crowded':
      return { outcome: 'crowded', attempt: attempt + 1 }
    case 'spent':
      return { outcome: 'closed', batchStatus: 'paused' }
    case 'closed':
      return { outcome: 'closed', batchStatus: stoppedAs(found.batchStatus) }
  }
}
