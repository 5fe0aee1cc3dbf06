import { sql } from 'drizzle-orm'
import type { Db } from '../../src/db/client.ts'
import { batches, plans } from '../../src/db/schema.ts'
import { pastBatch } from './batches.ts'

type BatchRow = Parameters<typeof pastBatch>[1]

/** A batch, and a plan that counted so many items. */
export async function insertBatch(db: Db, n: number, toProcess: number, changes: BatchRow = {}) {
  const planId = `02b00000-0000-7000-8000-${String(n).padStart(12, '0')}`
  await db.insert(plans).values({
    id: planId,
    key: `plan:${n}`,
    workflow: 'welcome-placeholder',
    params: {},
    force: false,
    totalEligible: toProcess,
    alreadyProcessed: 0,
    held: 0,
    toProcess,
    sample: [],
    hash: 'h',
    assumptions: {
      source: 'unknown',
      inputTokens: null,
      outputTokens: null,
      seconds: null,
      inputUsdPerMillion: null,
      outputUsdPerMillion: null,
      messagesPerUsd: 100_000,
      messagesPerRun: 2,
      retries: 3,
      parallelism: 10,
      rate: 5,
      pageSize: 50,
      chunkSize: 20,
    },
  })
  const row = pastBatch(n, { planId, ...changes })
  await db.insert(batches).values(row)
  return row.id
}

type Items = {
  count: number
  status?: string
  /** Number of the first; item 7 is called 0000007. */
  from?: number
  /** Seconds between two ends; the last one ended `endedAgo` seconds ago. */
  every?: number
  endedAgo?: number
  tokens?: number
}

/**
 * Adds items to a batch, and to its counters. Item n took n ms of work.
 *
 * @param items.status one of the statuses of an item that has ended, or `queued`.
 */
export async function insertItems(db: Db, batchId: string, items: Items): Promise<void> {
  const { count, status = 'succeeded', from = 1, every = 1, endedAgo = 0, tokens = 0 } = items
  const to = from + count - 1
  await db.execute(sql`
    insert into batch_items (
      batch_id, item_id, workflow, scope, page, version, status, claims, input_tokens, output_tokens, started_at,
      ended_at, work_ms
    )
    select b.id, lpad(n::text, 7, '0'), b.workflow, b.scope, 1, 'v', ${status}, (${status} <> 'queued')::int,
      ${tokens}::int, 0, now() - interval '1 day',
      case when ${status} <> 'queued'
        then now() - make_interval(secs => ${endedAgo}::float + (${to}::int - n) * ${every}::float) end,
      case when ${status} <> 'queued' then n end
    from batches b, generate_series(${from}::int, ${to}::int) n where b.id = ${batchId}::uuid`)
  await db.execute(sql`
    update batches set recorded = recorded + ${count}::int, input_tokens = input_tokens + ${count * tokens}::int,
      ${status === 'queued' ? sql`running = running` : sql`${sql.identifier(status)} = ${sql.identifier(status)} + ${count}::int`}
    where id = ${batchId}::uuid`)
}
