import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { queryRows, type Db } from '../../db/client.ts'
import type { Budget, Tolerate } from '../../workflows/contract.ts'
import type { Prices } from '../dollars.ts'
import { killed, lastsOn, outstandingOf, overBudget, roomFor } from './bounds.ts'
import { logBatchChange, type By } from './changes.ts'
import type { NextPage } from './settle.ts'

/** What may be changed while a batch runs; what is left out stays, null takes a bound away. */
export type Limits = {
  parallelism?: number | undefined
  rate?: number | undefined
  maxOutstanding?: number | undefined
  budget?: Budget | null | undefined
  tolerate?: Tolerate | null | undefined
}

const row = z.object({ nextPage: z.int().nullable(), attempt: z.int(), resumes: z.boolean() })

const was = sql.raw('was')
const b = sql.raw('b')

/**
 * Changes a batch's limits. One that was opened without prices gets today's, so that a budget in dollars can be held. The
 * page is one that now has room and must be triggered; `resumes`: the batch was paused by its budget, which now has room.
 * Undefined: the batch has ended.
 */
export async function changeLimits(
  db: Db,
  batchId: string,
  pageSize: number,
  limits: Limits,
  prices: Prices,
  by: By,
): Promise<{ nextPage: NextPage | null; resumes: boolean } | undefined> {
  const statement = sql`
    with was as (
      select * from batches where id = ${batchId}::uuid
        and (status in ('queued', 'starting', 'running', 'paused') or ${lastsOn(sql.raw('batches'))})
      for no key update
    ),
    wished as (
      select id, retrying, recorded, prepared, canary_items, canary_verdict, ${outstandingOf(was)} as outstanding,
        coalesce(${limits.maxOutstanding ?? null}::int, max_outstanding) as max_outstanding
      from was
    ),
    changed as (
      update batches b set
        parallelism = coalesce(${limits.parallelism ?? null}::int, b.parallelism),
        rate = coalesce(${limits.rate ?? null}::int, b.rate),
        throttled_rate = case when ${limits.rate ?? null}::int is null then b.throttled_rate end,
        max_outstanding = w.max_outstanding,
        awaiting_room = b.awaiting_room
          and not (b.status = 'running' and ${roomFor(sql.raw('w'), sql`w.outstanding`, pageSize)}),
        budget = ${replaced(limits.budget, sql`b.budget`)},
        input_usd_per_million = coalesce(b.input_usd_per_million, ${prices.inputUsdPerMillion}::float),
        output_usd_per_million = coalesce(b.output_usd_per_million, ${prices.outputUsdPerMillion}::float),
        item_usd = case when b.item_usd > 0 then b.item_usd else coalesce(b.item_tokens * greatest(
          ${prices.inputUsdPerMillion}::float, ${prices.outputUsdPerMillion}::float) / 1000000, 0) end,
        tolerate = ${replaced(limits.tolerate, sql`b.tolerate`)},
        recent = case when ${limits.tolerate !== undefined} then '{}' else b.recent end
      from wished w where b.id = w.id
      returning b.*
    ),
    logged as (${logBatchChange(by, sql`'batch.limits'`, was, b, sql`changed b join was on true`)})
    select case when was.awaiting_room and not c.awaiting_room then c.pages + 1 end as "nextPage", c.attempt,
      c.status in ('paused', 'completed') and c.paused_by is not distinct from 'budget'
        and not ${overBudget(sql.raw('c'), sql`1`)} and not ${killed(sql.raw('c'))} as resumes
    from changed c join was on true`
  const [changed] = await queryRows(db, statement, row)
  if (changed === undefined) return undefined
  const { nextPage, attempt, resumes } = changed
  return { resumes, nextPage: nextPage === null ? null : { page: nextPage, attempt } }
}

function replaced(value: Budget | Tolerate | null | undefined, kept: ReturnType<typeof sql>) {
  if (value === undefined) return kept
  return sql`${value === null ? null : JSON.stringify(value)}::jsonb`
}
