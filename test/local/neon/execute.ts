import { createHash } from 'node:crypto'
import type { PoolClient, QueryArrayConfig } from 'pg'
import type { Database } from './database.ts'
import { NeonError } from './neon-error.ts'
import type { Payload, Query } from './payload.ts'

/** What the headers of a request ask for. */
export type Options = { arrayMode: boolean; isolation?: string; readOnly: boolean; deferrable: boolean }

type Row = (string | null)[]

/** The result of one query, in Neon's words. */
export type QueryResult = {
  command: string
  rowCount: number | null
  rowAsArray: boolean
  fields: object[]
  rows: Row[] | Record<string, string | null>[]
}

/** `extended` is missing from pg's types; it makes pg prepare each statement as Neon does, so that it is only one. */
type TextQuery = QueryArrayConfig & { queryMode: 'extended' }

const ISOLATION_LEVELS = new Map([
  ['ReadUncommitted', 'read uncommitted'],
  ['ReadCommitted', 'read committed'],
  ['RepeatableRead', 'repeatable read'],
  ['Serializable', 'serializable'],
])

/** Runs a payload on a connection of its own and leaves that connection clean. */
export async function execute(
  { pool, backend }: Database,
  payload: Payload,
  asked: Options,
): Promise<QueryResult | { results: QueryResult[] }> {
  // Parsing and planning is most of what PGlite does; a real server gets its statements as Neon's would.
  const options = { ...asked, prepared: backend === 'PGlite' }
  const begin = beginStatement(options)
  const client = await pool.connect()
  let results: QueryResult[] = []
  try {
    if (!('queries' in payload)) {
      const result = await run(client, payload, options)
      results = [result]
      return result
    }
    results = await transaction(client, begin, payload.queries, options)
    return { results }
  } finally {
    await handBack(client, results, options)
  }
}

type Prepared = Options & { prepared: boolean }

async function transaction(
  client: PoolClient,
  begin: string,
  queries: Query[],
  options: Prepared,
): Promise<QueryResult[]> {
  await client.query(begin)
  try {
    const results: QueryResult[] = []
    for (const query of queries) results.push(await run(client, query, options))
    await client.query('commit')
    return results
  } catch (error) {
    // A connection that cannot even roll back is closed when it is handed back.
    await client.query('rollback').catch(() => {})
    throw error
  }
}

async function run(client: PoolClient, query: Query, options: Prepared): Promise<QueryResult> {
  const config: TextQuery = {
    ...(options.prepared && { name: createHash('md5').update(query.query).digest('hex') }),
    text: query.query,
    values: query.params,
    rowMode: 'array',
    queryMode: 'extended',
    types: { getTypeParser: () => (value: unknown) => value },
  }
  const { command, rowCount, fields, rows } = await client.query<Row>(config)
  const rowAsArray = query.arrayMode ?? options.arrayMode
  const names = fields.map((field) => field.name)
  return {
    command,
    rowCount,
    rowAsArray,
    fields,
    rows: rowAsArray
      ? rows
      : rows.map((row) => Object.fromEntries(names.map((name, i) => [name, row[i] ?? null]))),
  }
}

function beginStatement({ isolation, readOnly, deferrable }: Options): string {
  const level = isolation === undefined ? '' : ISOLATION_LEVELS.get(isolation)
  if (level === undefined) throw new NeonError(400, { message: 'invalid isolation level' })
  return ['begin', level && `isolation level ${level}`, readOnly && 'read only', deferrable && 'deferrable']
    .filter(Boolean)
    .join(' ')
}

/** A request must leave nothing to the next one: no open transaction, no session setting. */
async function handBack(client: PoolClient, results: QueryResult[], { prepared }: Prepared): Promise<void> {
  if (client.getTransactionStatus() !== 'I') return client.release(true)
  if (results.some((result) => result.command === 'SET')) {
    await client.query('discard all')
    // Its prepared statements are gone as well, which only the client does not know.
    if (prepared) return client.release(true)
  }
  client.release()
}
