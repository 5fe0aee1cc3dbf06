import { sql, type SQL } from 'drizzle-orm'

/**
 * What a try says of its batch: the breaker's window, the canary, the throttled rate. Fragments over `batch`, as it was;
 * `m`, the item that has moved; `a`, the counters by now; and, for the reasons, `c` with the verdicts and `b`, the row that
 * is written.
 */

export type Try = {
  inputTokens: number
  outputTokens: number
  workMs: number
  /** Null: it did not fail. */
  fingerprint: string | null
  message: string | null
  /** It was a try of the work, and no end without one. */
  counts: boolean
  /** A sample's result saved the work. */
  prepared: boolean
  /** Somebody asked for less. */
  throttled: boolean
}

/** Seconds without a change of the throttled rate before it may fall again, and before it may rise again. */
const calm = { fall: 5, rise: 30 }

/** The window of the breaker, moved on by this try, unless it says again what the item's last one said. */
export function recentTries({ counts, fingerprint }: Try): SQL {
  if (!counts) return sql`batch.recent`
  const window = sql`(batch.tolerate->>'window')::int`
  return sql`case when batch.tolerate is null or m.failed_before = ${fingerprint}::text then batch.recent else
    (batch.recent || ${fingerprint ?? ''}::text)[greatest(1, cardinality(batch.recent) + 2 - ${window}):] end`
}

/** More tries of the window failed than is tolerated. */
export const tripped = sql`(
  cardinality(array_remove(a.recent, '')) > (batch.tolerate->>'count')::int
  or cardinality(array_remove(a.recent, '')) * 100
    > (batch.tolerate->>'percent')::numeric * (batch.tolerate->>'window')::int) is true`

/** Every item of the canary has ended or waits. */
export const canaryDone = sql`(
  a.canary_verdict = 'pending' and (a.exhausted or a.recorded - a.prepared >= a.canary_items) and a.retrying = 0 and a.outstanding = 0) is true`
/** What a sample had made before says nothing about the work; an item that waits has come that far. */
export const canaryGood = sql`
  a.succeeded - a.prepared + a.waiting
    >= (batch.canary->>'minSuccessRate')::numeric * (a.succeeded - a.prepared + a.waiting + a.failed)
  and (a.succeeded + a.waiting + a.failed > 0 or (batch.canary->>'minSuccessRate')::numeric = 0)`
export const canaryReason = sql`format('%s of %s canary items succeeded and %s failed: fewer than the asked %s %%',
  c.succeeded - c.prepared, c.recorded - c.prepared, c.failed, trim_scale((b.canary->>'minSuccessRate')::numeric * 100))`

/** Names the most frequent error of the window. */
export const breakerReason = ({
  message,
  fingerprint,
}: Try) => sql`case when c.starved then ${starvedReason(message)} else format('%s of the last %s tries failed; most often (%s): %s',
  c.failures, cardinality(c.recent), c.fingerprint,
  coalesce((select i.error->>'message' from batch_items i
    where i.batch_id = c.id and i.fingerprint = c.fingerprint limit 1),
    case when c.fingerprint = ${fingerprint}::text then ${message} end, 'an error that no item has any more')) end`

/** Minutes of being asked for less, at one delivery a second, without a success; several times the longest delay. */
const mostPatience = 60
const starvedReason = (message: string | null) =>
  `no work has succeeded for ${mostPatience} minutes because the model asks for patience: ${message ?? ''}`

/** Every success of work, but for those of the first moment, would have raised the rate. */
export const starved = ({ throttled }: Try) => sql`(
  ${throttled}::boolean and batch.throttled_rate = 1
  and batch.throttled_at < now() - make_interval(mins => ${mostPatience})) is true`

/** Halves the rate when the model asks for less, and doubles it again after a calm. Null: the batch's own rate. */
export function throttledRate({ throttled, fingerprint, counts }: Try): SQL {
  if (throttled) {
    return sql`case when batch.throttled_at > now() - make_interval(secs => ${calm.fall}) then batch.throttled_rate
      else greatest(1, coalesce(batch.throttled_rate, batch.rate) / 2) end`
  }
  if (!counts || fingerprint !== null) return sql`batch.throttled_rate`
  return sql`case when batch.throttled_at > now() - make_interval(secs => ${calm.rise}) then batch.throttled_rate
    when batch.throttled_rate * 2 < batch.rate then batch.throttled_rate * 2 end`
}
