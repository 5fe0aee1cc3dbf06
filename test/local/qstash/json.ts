import { Problem } from './problem.ts'

/**
 * Parses a body that must be JSON.
 *
 * @throws Problem 400 when it is not.
 */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Problem(400, 'the body is no valid JSON')
  }
}

/** The fields of a value; none when it is no object. */
export function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
}
