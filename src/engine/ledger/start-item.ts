import { sql, type SQL } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import { z } from 'zod'
import { isTaken, queryRows, type Db } from '../../db/client.ts'
import { currentHandler } from '../../workflows/contract.ts'
import { killed, outstandingOf } from './bounds.ts'
import { logChange, type By } from './changes.ts'
import { freshResult, hasActed, heldItem, population, type Selection } from './needs-work.ts'
import type { Bounds } from './open-batch.ts'

export type ItemStarted =
  /** `opened`: it has a batch of its own; `joined`: it was added to the active one; `repeated`: by an earlier request. */
  | { outcome: 'opened'; batchId: string }
  | { outcome: 'joined'; batchId: string }
  | { outcome: 'repeated'; batchId: string }
  /** A batch holds it unfinished, or lists it, or the active batch cannot take it. */
  | { outcome: 'held' | 'listed' | 'busy' | 'full'; batchId: string | null }
  /**
   * It ended without success after it had sent or charged something; has a fresh result; the kill switch is on; it is not
   * in the population.
   */
  | { outcome: 'acted' | 'done' | 'killed' | 'unknown' }
  /** The key was used for this one. */
  | { outcome: 'key_used'; batchId: string; itemId: string }

const row = z.object({
  outcome: z.enum(['opened', 'joined', 'held', 'listed', 'busy', 'full', 'acted', 'done', 'killed']),
  batchId: z.uuid().nullable(),
})

const active = sql.raw('active')

/**
 * Records one item of the population, in the workflow's active batch when that has the same params, else in a batch of its
 * own that has no further pages. The same `by.key` does it once.
 */
export async function recordOneItem(
  db: Db,
  itemId: string,
  wish: Selection & { bounds: Bounds },
  by: By & { key: string },
): Promise<ItemStarted> {
  const { workflow } = wish
  for (let round = 0; round < 3; round += 1) {
    const earlier = await startedBefore(db, by.key)
    if (earlier !== undefined) {
      if (earlier.itemId !== itemId) return { outcome: 'key_used', ...earlier }
      return { outcome: 'repeated', batchId: earlier.batchId }
    }
    try {
      const [found] = await queryRows(db, statement(db, itemId, wish, by), row)
      if (found === undefined) return { outcome: 'unknown' }
      const { outcome, batchId } = found
      if ((outcome === 'opened' || outcome === 'joined') && batchId !== null) return { outcome, batchId }
      if (outcome === 'acted' || outcome === 'done' || outcome === 'killed') return { outcome }
      if (outcome === 'opened' || outcome === 'joined') throw new Error(`item ${itemId} was not recorded`)
      return { outcome, batchId }
    } catch (error) {
      // Somebody else took the item, the key, or the workflow's active place meanwhile.
      if (!isTaken(error)) throw error
    }
  }
  throw new Error(`item ${itemId} of ${workflow.name} is asked for by too many at once`)
}

async function startedBefore(db: Db, key: string) {
  const statement = sql`select batch_id as "batchId", after->>'itemId' as "itemId" from changes where key = ${key}`
  const [found] = await queryRows(db, statement, z.object({ batchId: z.uuid(), itemId: z.string() }))
  return found
}

const statement = (db: Db, itemId: string, wish: Selection & { bounds: Bounds }, by: By): SQL => sql`
  with active as (
    select * from batches where workflow = ${wish.workflow.name} and status in ('starting', 'running', 'paused')
    for no key update
  ),
  wanted as materialized (
    select p.id::text as id, p.version, ${wish.workflow.name}::text as workflow,
      exists (select 1 from results r where ${freshResult(wish)}) as done,
      (select h.batch_id from batch_items h where ${heldItem(wish)}) as held, ${hasActed(wish)} as acted
    from ${population(db, wish)} where p.id = ${itemId} limit 1
  ),
  judged as (
    select w.*, coalesce(w.held, active.id) as batch_id, case
        when w.held is not null then 'held'
        when w.acted then 'acted'
        when w.done and not ${wish.force}::boolean then 'done'
        when ${killed(sql.raw('w'))} then 'killed'
        when active.id is null then 'opened'
        when active.status = 'starting' or active.scope <> ${wish.scope}
          or active.params <> ${JSON.stringify(wish.params)}::jsonb then 'busy'
        when exists (select 1 from batch_items i where i.batch_id = active.id and i.item_id = w.id) then 'listed'
        when ${outstandingOf(active)} >= active.max_outstanding then 'full'
        else 'joined' end as outcome
    from wanted w left join active on true
  ),
  opened as (${openBatch(wish, itemId)}),
  joined as (
    update batches b set recorded = b.recorded + 1 from judged j
    where j.outcome = 'joined' and b.id = j.batch_id returning b.id, greatest(1, b.pages) as page
  ),
  item as (
    insert into batch_items (batch_id, item_id, workflow, scope, page, version, status, handler)
    select b.id, j.id, ${wish.workflow.name}, ${wish.scope}, b.page, j.version, 'queued', ${currentHandler(wish.workflow)}::int
    from judged j join (select id, page from joined union all select id, 1 from opened) b on true
    returning batch_id, workflow, item_id
  ),
  logged as (
    ${logChange(
      by,
      {
        action: sql`'item.start'`,
        workflow: sql`item.workflow`,
        batchId: sql`item.batch_id`,
        before: sql`null::jsonb`,
        after: sql`jsonb_build_object('itemId', item.item_id)`,
      },
      sql`item`,
    )}
  )
  select j.outcome, coalesce(item.batch_id, j.batch_id) as "batchId" from judged j left join item on true`

/** A batch of this one item: it runs, and has no pages to read. */
const openBatch = (
  { workflow, scope, params, force, bounds }: Selection & { bounds: Bounds },
  itemId: string,
) => sql`
  insert into batches (
    id, workflow, scope, status, start_key, started_by, params, force, item_limit, options, max_outstanding,
    parallelism, rate, budget, tolerate, input_usd_per_million, output_usd_per_million, item_tokens, item_usd,
    completion, pages, exhausted, recorded, started_at
  )
  select ${uuidv7()}::uuid, ${workflow.name}, ${scope}, 'running', ${`item:${crypto.randomUUID()}`}, 'api',
    ${JSON.stringify(params)}::jsonb, ${force}::boolean, 1, ${JSON.stringify({ itemId })}::jsonb,
    ${bounds.maxOutstanding}::int, ${bounds.parallelism}::int, ${bounds.rate}::int, ${orNull(bounds.budget)}::jsonb,
    ${orNull(bounds.tolerate)}::jsonb, ${bounds.inputUsdPerMillion}::float, ${bounds.outputUsdPerMillion}::float,
    ${bounds.itemTokens}::int, ${bounds.itemUsd}::float, ${workflow.completion}, 1, true, 1, now()
  from judged where outcome = 'opened'
  returning id`

const orNull = (value: unknown) => (value === null || value === undefined ? null : JSON.stringify(value))
