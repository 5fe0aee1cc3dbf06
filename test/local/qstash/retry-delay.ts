import { parseDuration } from './duration.ts'
import { evaluate } from './expression.ts'

const DAY = 86_400_000

const RETRY_HEADERS = [
  'retry-after',
  'x-ratelimit-reset',
  'x-ratelimit-reset-requests',
  'x-ratelimit-reset-tokens',
]

function askedByResponse(headers: Record<string, string[]>, now: number): number | undefined {
  for (const name of RETRY_HEADERS) {
    const value = headers[name]?.[0]
    if (value === undefined) continue
    const wait = parseDuration(value) ?? Date.parse(value) - now
    if (Number.isFinite(wait)) return Math.min(DAY, Math.max(0, wait))
  }
  return undefined
}

/** Milliseconds until the next attempt, after `retried` retries have failed. */
export function retryDelay(input: {
  headers: Record<string, string[]>
  expression: string | undefined
  retried: number
  now: number
}): number {
  const asked = askedByResponse(input.headers, input.now)
  if (asked !== undefined) return asked
  if (input.expression !== undefined) {
    const delay = evaluate(input.expression, { retried: input.retried })
    return Number.isFinite(delay) ? Math.min(DAY, Math.max(0, delay)) : DAY
  }
  return Math.min(DAY, Math.exp(2.5 * (input.retried + 1)) * 1000)
}
