import { DrizzleQueryError } from 'drizzle-orm/errors'

/** An error in one line or two for who typed the command: messages and causes, no stack. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // Its message is the whole statement and every parameter.
  if (error instanceof DrizzleQueryError && error.cause !== undefined) return explain(error.cause)
  const own =
    error.message === '' && error instanceof AggregateError ? explainAll(error.errors) : error.message
  if (error.cause === undefined) return own
  const cause = explain(error.cause)
  return own.includes(cause) ? own : `${own}: ${cause}`
}

const explainAll = (errors: unknown[]) => [...new Set(errors.map(explain))].join(', ')
