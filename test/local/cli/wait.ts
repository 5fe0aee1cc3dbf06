import { once } from 'node:events'
import type { RunningWorker } from '../worker.ts'

/**
 * Resolves when the signal is aborted.
 *
 * @throws Error when the Worker ends before.
 */
export async function untilAborted(signal: AbortSignal, worker: RunningWorker): Promise<void> {
  if (signal.aborted) return
  const end = await Promise.race([once(signal, 'abort'), worker.ended])
  if (typeof end === 'string') throw new Error(`${end}:\n${worker.output().slice(-2000)}`)
}
