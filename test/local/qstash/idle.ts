import { Problem } from './problem.ts'
import type { World } from './world.ts'

/** What to wait for, and how long. */
export type IdleOptions = {
  /** Give up after this long, in real milliseconds. */
  timeoutMs?: number
  /** Do not wait for what is not due yet: sleeps, retries, event waits. */
  ignoreDelayed?: boolean
}

/** True when nothing is pending or in flight. */
export function isIdle(world: World, ignoreDelayed = false): boolean {
  const { held, delayed, ready, inFlight } = world.outbox.counts
  return held + ready + inFlight === 0 && (ignoreDelayed || delayed + world.events.waiting === 0)
}

/**
 * Resolves when nothing is pending or in flight.
 *
 * @throws Problem 408 after `timeoutMs`.
 */
export async function untilIdle(world: World, options: IdleOptions = {}): Promise<void> {
  if (isIdle(world, options.ignoreDelayed)) return
  await new Promise<void>((resolve, reject) => {
    const { timeoutMs = 60_000 } = options
    const timer = setTimeout(() => {
      stop()
      reject(new Problem(408, `not idle after ${timeoutMs} ms: ${JSON.stringify(world.outbox.counts)}`))
    }, timeoutMs).unref()
    const stop = world.outbox.onChange(() => {
      if (!isIdle(world, options.ignoreDelayed)) return
      clearTimeout(timer)
      stop()
      resolve()
    })
  })
}
