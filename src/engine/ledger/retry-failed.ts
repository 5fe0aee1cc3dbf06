import { sql, type SQL } from 'drizzle-orm'
import { z } from 'zod'
import { isTaken, transact, type Db } from '../../db/client.ts'
import { killed, morePages } from './bounds.ts'
import { logChange, rounds, type By } from './changes.ts'
import { pauseKilled } from './kill-switch.ts'
import { atWorkThoughCancelled } from './live-predecessor.ts'
import type { NextPage } from './settle.ts'
import { couldNotBeUndone, owesUndos, pageToUndo, undoneAgain } from './undo-again.ts'

/** So many are marked at once: the batch is locked meanwhile. */
export const mostRetried = 100_000

/** Which failed items to try again. */
export type RetryFilter = { all: true } | { fingerprint: string } | { itemIds: string[] }

const countsRow = z.object({
  retried: z.int(),
  alreadyDone: z.int(),
  left: z.int(),
  notFailed: z.int().default(0),
  unknown: z.int().default(0),
})
const row = z.object({
  outcome: z.enum(['retried', 'killed', 'busy', 'ended', 'key_used']),
  active: z.uuid().nullable(),
  attempt: z.int(),
  page: z.int().nullable(),
  counts: countsRow,
  reopened: z.boolean(),
})

export type Retried =
  /** `reopened`: the batch had ended, and its pace must be pinned again. */
  | {
      outcome: 'retried'
      counts: z.output<typeof countsRow>
      nextPage: NextPage | null
      reopened: boolean
    }
  /** Another batch of the workflow is active; null: one that was cancelled has items at work. */
  | { outcome: 'busy'; activeBatchId: string | null }
  /** The kill switch is on; the batch never ran, or was cancelled and nothing is left to undo; or the key was used for something else. */
  | { outcome: 'killed' | 'ended' | 'key_used' }

/**
 * Marks failed items to be tried again, and lets a completed batch run again for them. They are queued page by page,
 * as there is room. An item that has got a result since it failed is left alone. Of a cancelled batch, what could not be
 * undone is taken up at once, and nothing else. The same `by.key` marks once, and gets the same page: whoever marked them
 * may have died before it could trigger it.
 */
export async function retryFailed(
  db: Db,
  batchId: string,
  asked: { filter: RetryFilter; limit: number | null },
  by: By & { confirmed: boolean },
): Promise<Retried> {
  const lock = sql`select id from batches where id = ${batchId}::uuid for no key update`
  const act = sql`
    with ${judge(batchId, asked, by)},
    ${mark(batchId, asked)},
    reopened as (
      update batches b set
        retrying = b.retrying + c.marked, failed = b.failed - c.undone_again, attempt = b.attempt + 1,
        ended_at = case when b.status = 'cancelled' then b.ended_at end,
        status = case when b.status <> 'completed' then b.status when b.paused_by is null then 'running' else 'paused' end,
        recent = case when b.status = 'completed' then '{}' else b.recent end,
        throttled_at = case when b.throttled_rate is null then b.throttled_at else now() end
      from counts c where b.id = ${batchId}::uuid and c.retried > 0
      returning b.*
    ),
    logged as (${log(asked, by)})
    select batch.outcome, batch.active, coalesce(r.attempt, batch.attempt) as attempt,
      r.id is not null and batch.status = 'completed' as reopened,
      case when n.status = 'running' and ${morePages(sql.raw('n'))} and not n.awaiting_room then n.pages + 1
        else ${pageToUndo} end as page,
      coalesce(batch.earlier, jsonb_build_object(
        ${told})) as counts
    from batch join counts c on true left join reopened r on true
    cross join lateral (
      select coalesce(r.status, batch.status) as status, coalesce(r.retrying, batch.retrying) as retrying,
        coalesce(r.exhausted, batch.exhausted) as exhausted, coalesce(r.pages, batch.pages) as pages,
        coalesce(r.awaiting_room, batch.awaiting_room) as awaiting_room) n`
  try {
    const [, [found]] = await transact(db, lock, act)
    const retried = parseRetried(found)
    // A switch that went on meanwhile did not see a batch that runs.
    if (retried.outcome === 'retried' && retried.reopened) {
      await pauseKilled(db, sql`id = ${batchId}::uuid`, rounds)
    }
    return retried
  } catch (error) {
    // A start was faster to take the workflow's one active place.
    if (isTaken(error)) return { outcome: 'busy', activeBatchId: null }
    throw error
  }
}

function parseRetried(found: unknown): Retried {
  if (found === undefined) return { outcome: 'ended' }
  const { outcome, active, attempt, page, counts, reopened } = row.parse(found)
  if (outcome === 'busy') return { outcome, activeBatchId: active }
  if (outcome !== 'retried') return { outcome }
  return { outcome, counts, reopened, nextPage: page === null ? null : { page, attempt } }
}

const told = sql.raw(
  `'retried', c.retried, 'alreadyDone', c.already_done, 'left', c.left_over, 'notFailed', c.not_failed, 'unknown', c.unknown`,
)

type Asked = Parameters<typeof retryFailed>[2]

/** CTE `batch`, with what may be done to it, and what an `earlier` retry with this key did. */
const judge = (batchId: string, asked: Asked, { key }: By): SQL => sql`
  batch as (
    select b.*, e.after as earlier, a.id as active, case
        when e.after is not null and e.after->'asked' is distinct from ${JSON.stringify(asked)}::jsonb then 'key_used'
        when e.after is not null then 'retried'
        when b.status not in ('running', 'paused', 'completed') and not (b.status = 'cancelled' and ${owesUndos})
          then 'ended'
        when ${killed(sql.raw('b'))} then 'killed'
        when b.status = 'completed' and (a.id is not null or exists (
          select 1 from batch_items i where i.workflow = b.workflow and ${atWorkThoughCancelled}))
          then 'busy'
        else 'retried'
      end as outcome
    from batches b left join changes e on e.key = ${key ?? null}::text
    left join batches a on a.workflow = b.workflow and a.status in ('starting', 'running', 'paused')
    where b.id = ${batchId}::uuid
  )`

/** CTEs that mark the items and count them; what was passed on the way to the last of them and not chosen is done. */
const mark = (batchId: string, { filter, limit }: Asked): SQL => sql`
  chosen as materialized (
    select i.item_id from batch join batch_items i on i.batch_id = batch.id
    where ${choosable(filter)} and (batch.status = 'cancelled' or not exists (
      select 1 from results r where r.workflow = i.workflow and r.scope = i.scope and r.item_id = i.item_id
        and r.generated_at > i.ended_at))
    order by i.item_id limit ${limit ?? mostRetried}::int
  ),
  marked as (
    update batch_items i set retry = true from chosen c, batch
    where batch.status <> 'cancelled' and i.batch_id = ${batchId}::uuid and i.item_id = c.item_id
    returning i.item_id
  ),
  ${undoneAgain(batchId)},
  counts as (
    select marked, undone_again, marked + undone_again as retried, passed - marked - undone_again as already_done,
      asked - passed as left_over, o.not_failed, o.unknown
    from (${others(batchId, filter)}) o, (select count(*)::int as marked from marked) m,
      (select count(*)::int as undone_again from undone_again) u,
      (select case when count(*) >= ${limit ?? mostRetried}::int then max(item_id) end as last from chosen) l,
      lateral (
        select count(*)::int as asked, (count(*) filter (where l.last is null or i.item_id <= l.last))::int as passed
        from batch join batch_items i on i.batch_id = batch.id where ${choosable(filter)}) c
  )`

const choosable = (filter: RetryFilter): SQL => sql`
  batch.outcome = 'retried' and batch.earlier is null and i.status = 'failed' and not i.retry and ${matching(filter)}
  and (batch.status <> 'cancelled' or ${couldNotBeUndone})`

/** Counts, of the asked ids, the batch's items that have not failed, and those that are no items of it. */
const others = (batchId: string, filter: RetryFilter): SQL => sql`
  select (count(*) filter (where i.status <> 'failed'))::int as not_failed,
    (count(*) filter (where i.status is null))::int as unknown
  from (
    select distinct jsonb_array_elements_text(${JSON.stringify('itemIds' in filter ? filter.itemIds : [])}::jsonb)) w(id)
  left join batch_items i on i.batch_id = ${batchId}::uuid and i.item_id = w.id`

const log = (asked: Asked, by: By & { confirmed: boolean }): SQL =>
  logChange(
    by,
    {
      action: sql`'batch.retry'`,
      workflow: sql`batch.workflow`,
      batchId: sql`batch.id`,
      before: sql`jsonb_build_object('status', batch.status, 'failed', batch.failed)`,
      after: sql`jsonb_build_object(
        'confirmed', ${by.confirmed}::boolean, 'asked', ${JSON.stringify(asked)}::jsonb, ${told})`,
    },
    sql`batch join counts c on batch.outcome = 'retried' and batch.earlier is null`,
  )

/** Condition on `batch_items i`. */
export function matching(filter: RetryFilter): SQL {
  if ('all' in filter) return sql`true`
  if ('fingerprint' in filter) return sql`i.fingerprint = ${filter.fingerprint}`
  return sql`i.item_id in (select jsonb_array_elements_text(${JSON.stringify(filter.itemIds)}::jsonb))`
}
