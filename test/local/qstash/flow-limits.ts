import { parseDuration } from './duration.ts'
import { Problem } from './problem.ts'

/** At most `parallelism` deliveries in flight and `rate` started a period; absent means unlimited. */
export type FlowLimits = { parallelism?: number; rate?: number; periodMs: number }

const WEEK = 7 * 86_400_000
const NAMES = new Set(['parallelism', 'rate', 'period'])

function countOf(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new Problem(400, `flow control ${name} must be a whole number above 0, received "${text}"`)
  }
  return value
}

/** Milliseconds of a rate period. */
export function periodOf(text: string): number {
  const periodMs = parseDuration(text)
  if (periodMs === undefined || periodMs <= 0) {
    throw new Problem(400, `flow control period must be a duration, received "${text}"`)
  }
  if (periodMs > WEEK)
    throw new Problem(412, `flow control period must be a week at most, received "${text}"`)
  return periodMs
}

/** Reads limits given by name, as in a query string. */
export function limitsOf(values: Record<string, string>): FlowLimits {
  return {
    ...(values['parallelism'] !== undefined && {
      parallelism: countOf('parallelism', values['parallelism']),
    }),
    ...(values['rate'] !== undefined && { rate: countOf('rate', values['rate']) }),
    periodMs: values['period'] === undefined ? 1000 : periodOf(values['period']),
  }
}

/** Reads a header value such as `parallelism=2, rate=10, period=1m`. */
export function parseFlowValue(text: string): FlowLimits {
  const values: Record<string, string> = {}
  for (const part of text.split(',')) {
    const [name = '', value] = part.split('=').map((side) => side.trim())
    const known = name.toLowerCase() === 'ratepersecond' ? 'rate' : name.toLowerCase()
    if (value === undefined || !NAMES.has(known)) {
      throw new Problem(400, `flow control value must be like "parallelism=2, rate=10", received "${text}"`)
    }
    values[known] = value
  }
  return limitsOf(values)
}
