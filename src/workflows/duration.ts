import ms from 'ms'
import { PermanentError } from '../errors.ts'
import type { Duration } from './item-tools.ts'

/** Milliseconds; NaN when it is none, or has no unit. */
export function durationMs(text: string): number {
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it answers undefined or throws for what is none
    return /[a-z]/i.test(text) ? (ms(text as Duration) ?? Number.NaN) : Number.NaN
  } catch {
    return Number.NaN
  }
}

/** Seconds of a duration that a handler has made. @throws PermanentError when it is none, or less than none. */
export function secondsOf(duration: Duration): number {
  const seconds = durationMs(duration) / 1000
  if (seconds >= 0) return seconds
  throw new PermanentError(`${JSON.stringify(duration)} is no duration`)
}
