import ms from 'ms'
import type { Json, Usage, Workflow } from '../../workflows/contract.ts'
import type { Ended, Outcome, Spent } from '../ledger/end-item.ts'
import { layerLog } from '../log.ts'
import type { Made } from './pass-on.ts'

/** Seconds that a result stays fresh while its version holds; null: for ever. */
export const freshFor = ({ freshFor: duration }: Workflow): number | null =>
  duration === null ? null : ms(duration) / 1000

/** The outcome of an item that turned out to need nothing. */
export const skipped = ({ verb }: Workflow, reason: string): Outcome => ({
  status: 'skipped',
  error: { name: 'Skipped', message: reason, step: verb, fingerprint: '' },
})

/** Logs what became of an item. */
export function report(
  workflow: Workflow,
  { batchId, itemId }: { batchId: string; itemId: string },
  outcome: Outcome,
  { workMs, ...usage }: Spent,
) {
  const log = layerLog(workflow, 'execute')
  if (outcome.status === 'queued')
    log.error('item will be tried again', { batchId, itemId, ...outcome.error })
  else if (outcome.status === 'failed') log.error('item failed', { batchId, itemId, ...outcome.error })
  else log.info(`item ${outcome.status}`, { batchId, itemId, workMs, ...usage })
}

/** What a run says of an item that did not succeed. */
export const problem = (outcome: Outcome): Record<string, Json> =>
  outcome.status === 'succeeded' ? {} : { error: outcome.error }

/** The result as it was stored; null when there is none. */
export function storedAs(
  outcome: Outcome,
  { version, scope }: { version: string; scope: string },
  { generatedAt, expiresAt }: Ended,
  usage: Usage,
): Made | null {
  if (outcome.status !== 'succeeded' || generatedAt === null) return null
  const { data, model } = outcome
  return { scope, result: { version, data, model, usage, generatedAt, expiresAt } }
}
