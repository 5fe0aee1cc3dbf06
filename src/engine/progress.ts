import type { Batch } from './ledger/open-batch.ts'
import type { Recent } from './ledger/progress.ts'

export type Progress = {
  /** Of what is expected, rounded down to tenths. Null: nobody knows yet what is. */
  percent: number | null
  /** Over the latest items, at most 200, since the batch began or went on. Null: the batch does not run. */
  itemsPerSecond: number | null
  /** Milliseconds of work of one of the latest items. Null: none was worked on. */
  workMs: { p50: number; p95: number } | null
  /** Seconds until the batch ends; with 95 % confidence between `low` and `high`. */
  etaSeconds: { seconds: number; low: number; high: number | null } | null
}

type Counted = Pick<
  Batch,
  'status' | 'exhausted' | 'recorded' | 'succeeded' | 'skipped' | 'failed' | 'cancelled' | 'retrying'
> & { plan: { toProcess: number } | null }

/** Nothing of it starts any more; what had started may still be at work. */
export const hasEnded = ({ status }: Pick<Batch, 'status'>): boolean =>
  ['completed', 'cancelled', 'failed', 'skipped'].includes(status)

/** How far a batch is. A failed item that waits to be tried again has not ended. */
export function progressOf(batch: Counted, recent: Recent): Progress {
  const ended = batch.succeeded + batch.skipped + batch.failed + batch.cancelled - batch.retrying
  const expected = batch.exhausted ? batch.recorded : Math.max(batch.recorded, batch.plan?.toProcess ?? 0)
  const pace = batch.status === 'running' ? paceOf(recent) : null
  const { p50, p95 } = recent
  return {
    percent: percentOf(batch, ended, expected),
    itemsPerSecond: pace === null ? null : rounded(pace.rate),
    workMs: p50 === null || p95 === null ? null : { p50, p95 },
    etaSeconds: pace === null || pace.rate === 0 ? null : eta(expected - ended, pace),
  }
}

function percentOf({ plan }: Counted, ended: number, expected: number): number | null {
  if (plan === null) return null
  return expected === 0 ? 100 : Math.floor((1000 * ended) / expected) / 10
}

type Pace = { rate: number; margin: number }

/** Items a second, and what 95 % of the chance is within: n ends in t seconds vary by sqrt(n). */
function paceOf({ ended, seconds }: Recent): Pace | null {
  if (seconds === null || seconds <= 0) return null
  return { rate: ended / seconds, margin: (1.96 * Math.sqrt(ended)) / seconds }
}

function eta(left: number, { rate, margin }: Pace): Progress['etaSeconds'] {
  const slowest = rate - margin
  return {
    seconds: Math.round(left / rate),
    low: Math.floor(left / (rate + margin)),
    high: slowest <= 0 ? null : Math.ceil(left / slowest),
  }
}

const rounded = (rate: number) => Number(rate.toPrecision(3))
