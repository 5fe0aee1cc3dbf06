import { sql, type SQL } from 'drizzle-orm'
import type { Usage } from '../../workflows/contract.ts'
import { isComplete, isOpen, morePages, outstandingOf, roomFor } from './bounds.ts'
import { logBatchChange, rounds } from './changes.ts'
import {
  breakerReason,
  canaryDone,
  canaryGood,
  canaryReason,
  recentTries,
  starved,
  throttledRate,
  tripped,
  type Try,
} from './verdicts.ts'

/** A page to trigger, with the batch's attempt. */
export type NextPage = { page: number; attempt: number }

/** Columns that `moved` returns of `batch_items i`, which was `item`. */
export const movedColumns = sql.raw(
  `i.status, i.attempt, i.handler, i.input_tokens, i.output_tokens, item.status as was, item.fingerprint as failed_before`,
)

/** Nothing was tried: the item only moves. */
export const untried: Try = {
  inputTokens: 0,
  outputTokens: 0,
  workMs: 0,
  fingerprint: null,
  message: null,
  counts: false,
  prepared: false,
  throttled: false,
}

const batch = sql.raw('batch')

/**
 * CTEs that follow `batch`, the locked batch row, and `moved`, the item of it that has just left `was`, with the
 * fingerprint of its last error: `after` moves the counters, `judged` lets canary and breaker judge
 * them, `settled` writes that, closes the batch with its last item and says which page this made room for.
 *
 * Values are joined and not sub-selected, because a row that changed while this statement waited is evaluated again,
 * and a data-modifying CTE cannot be.
 */
export const settle = (pageSize: number, tried: Try): SQL => sql`
  ${moveCounters(tried)},
  ${judge(tried)},
  ${write(pageSize, tried)}`

const room = (pageSize: number) => sql`(
  select ${roomFor(sql.raw('r'), sql`r.outstanding`, pageSize)}
  from (select c.outstanding, c.max_outstanding, c.verdict as canary_verdict, c.retrying, c.recorded, c.prepared,
    c.canary_items) r)`

/** Dollars of so many tokens. */
export const usdOf = (inputTokens: SQL, outputTokens: SQL) => sql`(
  ${inputTokens} * batch.input_usd_per_million + ${outputTokens} * batch.output_usd_per_million) / 1000000`

/** What a try used; of a durable item, whose tries are many and small, what all of them did. */
const itemUsage = ({ inputTokens, outputTokens }: Usage) => ({
  input: sql`(case when m.handler is null then ${inputTokens}::int else m.input_tokens end)`,
  output: sql`(case when m.handler is null then ${outputTokens}::int else m.output_tokens end)`,
})

const changed = sql`(
  s.status <> batch.status or (s.paused_by is distinct from batch.paused_by and s.paused_by is not null)
  or s.throttled_rate is distinct from batch.throttled_rate
  or s.canary_verdict is distinct from batch.canary_verdict)`
const changeAction = sql`case
  when s.status <> batch.status and s.status = 'completed' then 'batch.complete'
  when s.paused_by is distinct from batch.paused_by and s.paused_by is not null then 'batch.pause'
  when s.canary_verdict is distinct from batch.canary_verdict then 'batch.canary' else 'batch.throttle' end`

function moveCounters(tried: Try): SQL {
  const { input, output } = itemUsage(tried)
  return sql`
  after as (
    select batch.id, batch.workflow, batch.exhausted, batch.retrying, batch.recorded, batch.max_outstanding,
      batch.canary_items, batch.canary_verdict,
      batch.running - (m.was = 'running')::int + (m.status = 'running')::int as running,
      batch.waiting - (m.was = 'waiting')::int + (m.status = 'waiting')::int as waiting, batch.completion,
      batch.succeeded + (m.status = 'succeeded')::int as succeeded,
      batch.prepared + ${Number(tried.prepared)}::int as prepared,
      batch.skipped + (m.status = 'skipped')::int as skipped,
      batch.failed + (m.status = 'failed')::int as failed,
      batch.cancelled + (m.status = 'cancelled')::int as cancelled,
      ${outstandingOf(batch)} + (m.status in ('queued', 'running'))::int - (m.was in ('queued', 'running'))::int
        as outstanding,
      batch.input_tokens + ${tried.inputTokens}::bigint as input_tokens,
      batch.output_tokens + ${tried.outputTokens}::bigint as output_tokens,
      batch.work_ms + ${tried.workMs}::bigint as work_ms,
      greatest(batch.item_tokens, ${input} + ${output}) as item_tokens,
      greatest(batch.item_usd, ${usdOf(input, output)}) as item_usd,
      ${recentTries(tried)} as recent, ${throttledRate(tried)} as throttled_rate
    from batch join moved m on true
  )`
}

const judge = (tried: Try) => sql`
  judged as (
    select a.*,
      case when not (${canaryDone}) then a.canary_verdict when ${canaryGood} then 'passed' else 'failed' end as verdict,
      a.exhausted and a.retrying = 0 and ${isComplete(sql.raw('a'), sql`a.outstanding`)}
        and batch.status in ('running', 'paused') as done,
      batch.status = 'running' and ${starved(tried)} as starved, ${tripped} and ${isOpen(batch)} as tripped,
      batch.status = 'completed' and a.outstanding = 0 and a.waiting = 0 as over,
      cardinality(array_remove(a.recent, '')) as failures,
      (select mode() within group (order by f) from unnest(a.recent) f where f <> '') as fingerprint
    from after a join batch on true
  ),
  closing as (
    select j.*,
      case
        when j.done and j.waiting = 0 then null
        when batch.status in ('running', 'paused') and j.verdict = 'failed' and batch.canary_verdict = 'pending'
          then 'canary'
        when j.over then null when j.tripped or j.starved then 'breaker'
      end as pauser
    from judged j join batch on true
  )`

/** What last on of a batch that is complete stays paused with it. */
const endsPause = sql`((c.done and c.waiting = 0) or c.over or (c.done and c.pauser is null and b.paused_by = 'lost_run'))`

const write = (pageSize: number, tried: Try) => sql`
  settled as (
    update batches b set
      running = c.running, waiting = c.waiting, succeeded = c.succeeded, prepared = c.prepared, skipped = c.skipped, failed = c.failed, cancelled = c.cancelled,
      input_tokens = c.input_tokens, output_tokens = c.output_tokens, work_ms = c.work_ms,
      item_tokens = c.item_tokens, item_usd = c.item_usd, recent = c.recent,
      throttled_rate = case when b.status = 'completed' then b.throttled_rate else c.throttled_rate end,
      throttled_at = case when c.throttled_rate is distinct from b.throttled_rate then now() else b.throttled_at end,
      canary_verdict = c.verdict,
      status = case when c.done or b.status = 'completed' then 'completed' when c.pauser is not null then 'paused' else b.status end,
      paused_by = case when ${endsPause} then null else coalesce(c.pauser, b.paused_by) end,
      reason = case when ${endsPause} then null when c.pauser = 'canary' then ${canaryReason}
        when c.pauser = 'breaker' then ${breakerReason(tried)} else b.reason end,
      ended_at = case when c.done then now() else b.ended_at end,
      awaiting_room = b.awaiting_room and not (
        b.status = 'running' and c.pauser is null and ${morePages(sql.raw('c'))} and ${room(pageSize)})
    from closing c where b.id = c.id
    returning b.*
  ),
  logged as (
    ${logBatchChange(rounds, changeAction, batch, sql.raw('s'), sql`settled s join batch on ${changed}`)}
  ),
  next_page as (
    select s.pages + 1 as number from settled s join batch on batch.id = s.id
    where batch.awaiting_room and not s.awaiting_room and s.status = 'running'
  )`
