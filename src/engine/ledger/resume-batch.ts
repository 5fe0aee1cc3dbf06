import { sql, type SQL } from 'drizzle-orm'
import { z } from 'zod'
import type { Db } from '../../db/client.ts'
import { killed, lastsOn, morePages, outstandingOf, overBudget } from './bounds.ts'
import { logBatchChange, type By } from './changes.ts'
import type { DueItem } from './due-items.ts'
import { parseRequeued, requeue } from './requeue.ts'
import type { NextPage } from './settle.ts'

const b = sql.raw('b')

export type Resumed =
  /** The page must be triggered; null: nothing is left to trigger. The runs of `superseded` are of no use any more. */
  | { outcome: 'resumed'; nextPage: NextPage | null; superseded: DueItem[] }
  /** It was resumed with this key before; whoever did may have died before it could trigger the page. */
  | { outcome: 'repeated'; nextPage: NextPage | null }
  /** The kill switch is on, the budget has no room for an item, or there is nothing left to do. */
  | { outcome: 'killed' | 'over_budget' | 'inactive' }

/** The page to trigger so that everything that is due gets a run; null: there is none. */
const firstDuePage = (batch: SQL): SQL => sql`coalesce(
  (select min(page) from batch_items where batch_id = ${batch}.id and status = 'queued'),
  case when ${morePages(batch)} and not ${batch}.awaiting_room then ${batch}.pages + 1 end)`

const openedRow = z.object({
  outcome: z.enum(['resumed', 'repeated', 'killed', 'over_budget', 'inactive']),
  attempt: z.int(),
  page: z.int().nullable(),
})

/** It will be paused when it begins. */
const pausesLater = (batch: SQL) => sql`(${batch}.status = 'starting' and ${batch}.paused_by is not null)`

/** `onlyPausedBy`: leaves a batch alone that somebody else has paused meanwhile. */
export type ResumeOptions = { onlyPausedBy?: 'budget' }

/**
 * Opens the gate, also of a batch that is running but whose runs may be lost, or of one that is complete but for what lasts
 * on; one in `starting` that was to be paused will not be. Every item that is queued, or whose worker is dead, gets a new
 * attempt: whatever run it had will find itself superseded. The page is the first with such items, else the next one to
 * read.
 *
 * The breaker begins anew; a canary that failed is overruled, or judged again when items of it are tried again.
 */
export async function resumeBatch(
  db: Db,
  batchId: string,
  by: By,
  { onlyPausedBy }: ResumeOptions = {},
): Promise<Resumed> {
  // Before it is judged: what it waits for may be the kill switch, or a resume with the same key.
  const lock = sql`select id from batches where id = ${batchId}::uuid for no key update`
  const open = sql`
    with was as (select * from batches where id = ${batchId}::uuid),
    judged as (
      select was.id, case
          when exists (select 1 from changes where key = ${by.key ?? null}::text) then 'repeated'
          when was.status not in ('paused', 'running') and not ${pausesLater(sql.raw('was'))} and not ${lastsOn(sql.raw('was'))}
            then 'inactive'
          when was.paused_by is distinct from coalesce(${onlyPausedBy ?? null}::text, was.paused_by) then 'inactive'
          when ${killed(sql.raw('was'))} then 'killed'
          when ${overBudget(sql.raw('was'), sql`1`)} then 'over_budget'
          else 'resumed'
        end as outcome
      from was
    ),
    opened as (
      update batches b set
        status = case when b.status in ('starting', 'completed') then b.status else 'running' end,
        attempt = b.attempt + (b.status <> 'starting')::int, reason = null, paused_by = null, awaiting_room = false,
        recent = '{}', throttled_at = case when b.throttled_rate is null then b.throttled_at else now() end,
        canary_verdict = case
          when b.canary_verdict is distinct from 'failed' then b.canary_verdict
          when b.retrying > 0 or ${outstandingOf(b)} > 0 then 'pending' else 'overruled' end
      from judged j where b.id = j.id and j.outcome = 'resumed'
      returning b.*
    ),
    logged as (
      ${logBatchChange(by, sql`'batch.resume'`, sql.raw('was'), b, sql`opened b join was on true`)}
    )
    select outcome, attempt, case when was.status in ('running', 'completed') then ${firstDuePage(sql.raw('was'))} end as page
    from judged join was on true`
  const everything = requeue(batchId, { which: sql`true`, nextPage: true, heals: false })
  const [, { rows: opened }, { rows: next }] = await db.batch([
    db.execute(lock),
    db.execute(open),
    db.execute(everything),
  ])
  if (opened[0] === undefined) return { outcome: 'inactive' }
  const { outcome, attempt, page } = openedRow.parse(opened[0])
  if (outcome === 'resumed' && next[0] === undefined) return { outcome, nextPage: null, superseded: [] }
  if (outcome === 'resumed') return { outcome, ...parseRequeued(next[0]) }
  if (outcome === 'repeated') return { outcome, nextPage: page === null ? null : { page, attempt } }
  return { outcome }
}
