import { DatabaseError } from 'pg'

/** Neon sends every one of these with each error, null where it does not apply. */
const FIELDS = [
  'code',
  'detail',
  'hint',
  'position',
  'internalPosition',
  'internalQuery',
  'severity',
  'where',
  'table',
  'column',
  'schema',
  'dataType',
  'constraint',
  'file',
  'line',
  'routine',
] as const

type NeonErrorBody = { message: string } & Partial<Record<(typeof FIELDS)[number], string>>

/** An answer other than 200. The driver makes a NeonDbError with these fields of a 400, and a plain one of the rest. */
export class NeonError extends Error {
  override readonly name = 'NeonError'
  readonly status: number
  readonly body: NeonErrorBody

  constructor(status: number, body: NeonErrorBody) {
    super(body.message)
    this.status = status
    this.body = body
  }
}

/** Renders any error as Neon does: what Postgres refused is 400, what broke on the way is 500. */
export function renderError(error: unknown): Response {
  const known = toNeonError(error)
  const fields = Object.fromEntries(FIELDS.map((field) => [field, known.body[field] ?? null]))
  return Response.json({ message: known.message, ...fields }, { status: known.status })
}

function toNeonError(error: unknown): NeonError {
  if (error instanceof NeonError) return error
  if (error instanceof DatabaseError) return new NeonError(400, error)
  return new NeonError(500, { message: error instanceof Error ? error.message : String(error) })
}
