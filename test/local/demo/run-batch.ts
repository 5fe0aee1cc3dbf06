import { setTimeout as sleep } from 'node:timers/promises'
import type { Api, Batch } from './api.ts'

const pollMs = 200
/** Longer than a delivery's last retry may wait. */
const stalledMs = 180_000

export const doneOf = ({ counts }: Batch): number =>
  counts.succeeded + counts.skipped + counts.failed + counts.cancelled

/**
 * Starts a batch and watches it until it is neither starting nor running, and no item of it waits.
 *
 * @param options.whileWaiting lets time pass when every item that is left waits for a time or an event.
 * @throws Error when nothing moves for three minutes.
 */
export async function runBatch(
  api: Api,
  workflow: string,
  options: { onProgress: (done: number) => void; whileWaiting: () => Promise<void>; signal: AbortSignal },
): Promise<Batch> {
  const { id } = await api.start(workflow)
  let seen = ''
  let movedAt = Date.now()
  for (;;) {
    const batch = await api.batch(id)
    options.onProgress(doneOf(batch))
    const { queued, running, waiting } = batch.counts
    const isOpen = batch.status === 'completed' && queued + running + waiting > 0
    if (batch.status !== 'starting' && batch.status !== 'running' && !isOpen) return batch
    if (waiting > 0 && queued + running === 0) await options.whileWaiting()
    const now = JSON.stringify([batch.status, batch.counts])
    if (now !== seen) [seen, movedAt] = [now, Date.now()]
    if (Date.now() - movedAt > stalledMs) {
      throw new Error(`batch ${id} of ${workflow} has not moved for ${stalledMs / 1000} s: ${now}`)
    }
    await sleep(pollMs, undefined, { signal: options.signal })
  }
}
