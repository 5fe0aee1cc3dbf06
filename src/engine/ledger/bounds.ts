import { sql, type SQL } from 'drizzle-orm'

/** Conditions over a relation with the columns of `batches`: what bounds a batch. */

/** The workflow's kill switch, or the one for all, is on. */
export const killed = (b: SQL): SQL =>
  sql`exists (select 1 from kill_switches k where k.workflow in ('all', ${b}.workflow))`

/** Items that have started may do more: also those of a batch that only takes no new ones. */
export const isOpen = (b: SQL): SQL => sql`(
  ${b}.status in ('running', 'completed') and ${b}.paused_by is null and not ${killed(b)})`

/** How a batch stands whose gate is closed: one that would go on is stopped by something else than its status. */
export const stoppedAs = (batchStatus: string): string =>
  batchStatus === 'running' || batchStatus === 'completed' ? 'stopped' : batchStatus

/** Items of it have not ended. */
export const hasUnfinished = (b: SQL): SQL => sql`(${b}.waiting > 0 or ${outstandingOf(b)} > 0)`

/** It takes no new items, but some of it last on. */
export const lastsOn = (b: SQL): SQL => sql`(${b}.status = 'completed' and ${hasUnfinished(b)})`

/** The status of a batch whose gate closes: what has not begun, or takes no new items any more, stays so. */
export const statusPaused = (b: SQL): SQL => sql`(
  case when ${b}.status = 'running' then 'paused' else ${b}.status end)`

export const spentTokens = (b: SQL): SQL => sql`(${b}.input_tokens + ${b}.output_tokens)`

/** Null without prices. */
export const spentUsd = (b: SQL): SQL => sql`(
  (${b}.input_tokens * ${b}.input_usd_per_million + ${b}.output_tokens * ${b}.output_usd_per_million) / 1000000)`

/** What is spent, and reserved for `atWork` items, is more than the budget. */
export const overBudget = (b: SQL, atWork: SQL): SQL => sql`(
  (${spentTokens(b)} + (${atWork})::bigint * ${b}.item_tokens > (${b}.budget->>'tokens')::bigint) is true
  or (${spentUsd(b)} + (${atWork}) * ${b}.item_usd > (${b}.budget->>'usd')::float) is true)`

/** There are pages to read or failed items to try again. */
export const morePages = (b: SQL): SQL => sql`(not ${b}.exhausted or ${b}.retrying > 0)`

/** Items that are queued or running. */
export const outstandingOf = (b: SQL): SQL => sql`
  (${b}.recorded - ${b}.succeeded - ${b}.skipped - ${b}.failed - ${b}.cancelled - ${b}.waiting)`

/** With so many items outstanding, a batch that has no more pages is complete. */
export const isComplete = (b: SQL, outstanding: SQL): SQL => sql`(
  ${outstanding} = 0 and (${b}.waiting = 0 or ${b}.completion = 'started'))`

/** A further page fits under `maxOutstanding`, and the canary does not hold it back. */
export const roomFor = (b: SQL, outstanding: SQL, pageSize: number): SQL => sql`(
  ${outstanding} + least(${pageSize}::int, ${b}.max_outstanding) <= ${b}.max_outstanding
  and (${b}.canary_verdict is distinct from 'pending' or ${b}.retrying > 0 or ${b}.recorded - ${b}.prepared < ${b}.canary_items))`
