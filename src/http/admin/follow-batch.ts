import type { BatchNow } from '../../engine/ledger/progress.ts'
import { hasEnded } from '../../engine/progress.ts'
import { describeError } from '../../errors.ts'
import { changeResource } from './changes.ts'
import { batchWithProgress } from './resources/progress.ts'

/** What bounds one connection; times in milliseconds. */
export type FollowLimits = {
  pollMs: number
  lifeMs: number
  /** A Worker may make only so many requests for one of its own. */
  reads: number
  /** Most changes that are held at once. */
  changes: number
}

export const followLimits: FollowLimits = {
  pollMs: 2000,
  lifeMs: 60_000,
  reads: 45,
  changes: 500,
}

/** Milliseconds after which an EventSource connects again; an ended batch hardly ever changes. */
const retryMs = { running: 2000, ended: 60_000 }

export type Following = {
  /** The batch with its changes after `after`. */
  first: BatchNow
  /** Id of the last change that the client has; null: it has none. */
  after: number | null
  /** Undefined: the batch is gone. */
  read: (after: number) => Promise<BatchNow | undefined>
}

/** Server-sent events of a batch: its changes in order, each once, and how it is whenever that differs. */
export async function* followBatch(
  { first, after, read }: Following,
  limits: FollowLimits,
  gone: AbortSignal,
): AsyncGenerator<string, void> {
  const closesAt = Date.now() + limits.lifeMs
  let now: BatchNow | null | undefined = first
  let seen = after ?? 0
  let shown = after === null ? batchEvent(first) : ''
  yield retry(retryMs.running) + shown
  for (let reads = 1; now !== undefined; reads += 1) {
    const changes = now?.changes ?? []
    const caughtUp = changes.length < limits.changes
    const batch = now !== null && caughtUp ? batchEvent(now) : shown
    const news = changes.map(changeEvent).join('') + (batch === shown ? '' : batch)
    shown = batch
    seen = changes.at(-1)?.id ?? seen
    const over = now !== null && caughtUp && isFinal(now)
    if (over) yield news + retry(retryMs.ended)
    else yield news === '' ? stillHere : news
    if (over || reads >= limits.reads || Date.now() >= closesAt) return
    if (caughtUp) await pause(limits.pollMs, gone)
    if (gone.aborted) return
    now = await read(seen).catch(notNow)
  }
}

/** A database that does not answer once may answer the next time. */
function notNow(error: unknown): null {
  console.error(`[http] a batch could not be followed ${JSON.stringify(describeError(error))}`)
  return null
}

/** A comment. A Worker learns that nobody listens any more only when it writes. */
const stillHere = ':\n\n'
const retry = (ms: number) => `retry: ${ms}\n\n`
const batchEvent = (now: BatchNow) => `event: batch\ndata: ${JSON.stringify(batchWithProgress(now))}\n\n`
const changeEvent = (change: BatchNow['changes'][number]) =>
  `event: change\nid: ${change.id}\ndata: ${JSON.stringify(changeResource(change))}\n\n`

/** It has ended, and nothing that it had started is at work. */
const isFinal = ({ batch }: BatchNow) =>
  hasEnded(batch) && batch.recorded === batch.succeeded + batch.skipped + batch.failed + batch.cancelled

/** Waits, or until nobody listens any more. */
async function pause(ms: number, gone: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  const wake = () => resolve()
  gone.addEventListener('abort', wake)
  await promise
  clearTimeout(timer)
  gone.removeEventListener('abort', wake)
}
