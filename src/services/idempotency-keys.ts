/** What the calls of one step have in common. */
export type Scope = {
  /** Names the step for good: when it is repeated, it must be the same. At most 200 characters. */
  key: string
  /** Ends every call of the step. */
  signal: AbortSignal
}

/**
 * A key for each call of a step, in order: `key`, `key:2`, `key:3` …, so that a step may make several calls, and makes
 * the same ones when it is repeated.
 */
export function idempotencyKeys(key: string): () => string {
  let calls = 0
  return () => {
    calls += 1
    return calls === 1 ? key : `${key}:${calls}`
  }
}
