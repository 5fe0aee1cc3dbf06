import { DrizzleQueryError } from 'drizzle-orm'

/** The item can never succeed as it is: it fails now, without another try. */
export class PermanentError extends Error {
  override name = 'PermanentError'
}

/**
 * Somebody asks us to come back later: the item is given back and tried again after that many seconds, which does not
 * count as one of its tries.
 */
export class RetryLaterError extends Error {
  override name = 'RetryLaterError'
  readonly seconds: number
  /** There are too many of us: the batch slows down. */
  readonly slows: boolean
  /** What was asked for may still be done: it is undone, should the item fail meanwhile. */
  readonly underWay: boolean

  constructor(message: string, seconds: number, { slows = true, underWay = false } = {}) {
    super(message)
    this.seconds = seconds
    this.slows = slows
    this.underWay = underWay
  }
}

/** A service did not do what was asked of it; the message says which, and may be shown. */
export class ServiceError extends Error {
  override name = 'ServiceError'
}

/** What an HTTP client is told: `{ error: { code, message, details? } }` with `status`. */
export class HttpError extends Error {
  override name = 'HttpError'
  readonly status: 400 | 401 | 403 | 404 | 409 | 413 | 429 | 503
  readonly code: string
  readonly details: unknown

  constructor(status: HttpError['status'], code: string, message: string, details?: unknown) {
    super(message)
    this.status = status
    this.code = code
    this.details = details
  }
}

export const invalid = (message: string, details?: unknown) =>
  new HttpError(400, 'invalid_request', message, details)

export const notFound = (what: string) => new HttpError(404, 'not_found', `${what} does not exist`)

export const conflict = (message: string, details?: unknown) =>
  new HttpError(409, 'conflict', message, details)

export const unavailable = (message: string, details?: unknown) =>
  new HttpError(503, 'unavailable', message, details)

/** A text that fits into a log line and that Postgres can store. */
export const presentable = (text: string): string => text.replaceAll('\0', '').slice(0, 1000).toWellFormed()

/**
 * Name and message of whatever was thrown, safe to log, store and pass on: never a stack, nor a statement with its
 * parameters, which may hold anything.
 */
export function describeError(error: unknown): { name: string; message: string } {
  if (!(error instanceof Error)) return { name: 'Error', message: presentable(String(error)) }
  if (error instanceof DrizzleQueryError) {
    const { message } = describeError(error.cause)
    return { name: 'DatabaseError', message: `the database did not take a statement: ${message}` }
  }
  const cause = error.cause instanceof Error ? `: ${describeError(error.cause).message}` : ''
  return { name: presentable(error.name), message: presentable(`${error.message}${cause}`) }
}
