import { neon, neonConfig, NeonDbError } from '@neondatabase/serverless'
import { DrizzleQueryError, type SQL } from 'drizzle-orm'
import { drizzle, type NeonHttpDatabase } from 'drizzle-orm/neon-http'
import type { z } from 'zod'

export type Db = NeonHttpDatabase

/** Longer than any statement should take; without it a database that hangs would hold every delivery. */
const statementTimeoutMs = 60_000

/** A Postgres client over HTTP: one request a statement, no connection, no transaction. */
export function createDb(env: { DATABASE_URL: string; DATABASE_HTTP_URL?: string | undefined }): Db {
  if (env.DATABASE_HTTP_URL !== undefined) neonConfig.fetchEndpoint = env.DATABASE_HTTP_URL
  neonConfig.fetchFunction = fetchInTime
  return drizzle(neon(env.DATABASE_URL))
}

/** Unlike `AbortSignal.timeout`, leaves no timer behind: a request may make many statements, but not own many timers. */
async function fetchInTime(url: string, init: RequestInit): Promise<Response> {
  const controller = new AbortController()
  const tooLong = () => controller.abort(new Error(`no answer after ${statementTimeoutMs / 1000} seconds`))
  const timer = setTimeout(tooLong, statementTimeoutMs)
  try {
    const { status, body } = await fetch(url, { ...init, signal: controller.signal })
    return new Response(await new Response(body).arrayBuffer(), { status })
  } finally {
    clearTimeout(timer)
  }
}

/** Runs one statement and parses every row it returns. */
export async function queryRows<Row extends z.ZodType>(
  db: Db,
  statement: SQL,
  row: Row,
): Promise<z.output<Row>[]> {
  const { rows } = await db.execute(statement)
  return rows.map((value) => row.parse(value))
}

/** Runs one statement that always returns exactly one row. */
export async function queryOne<Row extends z.ZodType>(
  db: Db,
  statement: SQL,
  row: Row,
): Promise<z.output<Row>> {
  const [first] = await queryRows(db, statement, row)
  if (first === undefined) throw new Error('a statement that returns one row returned none')
  return first
}

/**
 * Runs statements in one transaction, in one request. Each sees what had been committed when it began, so that the
 * second sees everything that a lock taken by the first has waited for.
 *
 * @returns the rows of each.
 */
export async function transact(db: Db, first: SQL, second: SQL): Promise<[unknown[], unknown[]]> {
  const [one, two] = await db.batch([db.execute(first), db.execute(second)])
  return [one.rows, two.rows]
}

/** Drizzle wraps the error of a statement, but not that of a transaction. */
function hasCode(error: unknown, codes: readonly string[]): boolean {
  const cause = error instanceof DrizzleQueryError ? error.cause : error
  return cause instanceof NeonDbError && codes.includes(cause.code ?? '')
}

/** Postgres could not read a text as what it was compared with: an id that should be a number of some size, a UUID. */
export const isMalformedText = (error: unknown): boolean => hasCode(error, ['22P02', '22003'])

/** Another statement was faster to take what may be there only once. */
export const isTaken = (error: unknown): boolean => hasCode(error, ['23505'])
