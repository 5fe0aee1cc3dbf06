import { Hono } from 'hono'
import type { Context } from 'hono'
import { listen, type LocalServer } from '../server.ts'
import { checkCredentials, databaseUrlOf } from './credentials.ts'
import { openDatabase, type Database } from './database.ts'
import { execute, type Options } from './execute.ts'
import { FaultSwitch } from '../fault-switch.ts'
import { localRoutes } from '../local-routes.ts'
import { NeonError, renderError } from './neon-error.ts'
import { parsePayload } from './payload.ts'
import { Statistics, type NeonStats } from './statistics.ts'

/** Neon's own limits on a request and on a response. */
const MAX_BYTES = 10 * 1024 * 1024

/** A local service that speaks the HTTP protocol of the Neon serverless driver. */
export type LocalNeon = LocalServer & {
  /** What `neonConfig.fetchEndpoint` must be. */
  fetchEndpoint: string
  /** What the Worker gets as DATABASE_URL. */
  databaseUrl: string
  /** The same database for clients of the Postgres wire protocol. */
  postgresUrl: string
  backend: Database['backend']
  stats(): NeonStats
  /** Clears faults and statistics; the data stays. */
  reset(): void
}

/**
 * Starts a local Neon.
 *
 * With PGlite there is one session: a transaction held open through `postgresUrl` blocks everything else until it ends.
 *
 * @param options.port TCP port; a free one when absent.
 * @param options.postgresUrl a Postgres server to use; without it an empty in-memory PGlite is started.
 * @example
 * const neon = await startNeon()
 * neonConfig.fetchEndpoint = neon.fetchEndpoint
 * const db = drizzle(neon.databaseUrl)
 */
export async function startNeon(options: { port?: number; postgresUrl?: string } = {}): Promise<LocalNeon> {
  const database = await openDatabase(options.postgresUrl)
  const databaseUrl = databaseUrlOf(database.postgresUrl)
  const statistics = new Statistics()
  const faults = new FaultSwitch((message) => ({ message }))
  const reset = () => {
    faults.clear()
    statistics.clear()
  }
  const app = new Hono()
    .route('/local', localRoutes({ faults, stats: () => statistics.read(), reset }))
    .post('/sql', faults.middleware, (c) =>
      statistics.track(() => answer(c, database, databaseUrl, statistics)),
    )
    .onError(renderError)
  const server = await listen(app, options)
  return {
    ...server,
    fetchEndpoint: `${server.url}/sql`,
    databaseUrl,
    postgresUrl: database.postgresUrl,
    backend: database.backend,
    stats: () => statistics.read(),
    reset,
    close: async () => {
      await server.close()
      await database.close()
    },
  }
}

async function answer(
  c: Context,
  database: Database,
  databaseUrl: string,
  statistics: Statistics,
): Promise<Response> {
  checkCredentials(c.req.header('neon-connection-string'), databaseUrl)
  const options = readHeaders(c)
  const text = await c.req.text()
  if (Buffer.byteLength(text) > MAX_BYTES) throw tooLarge(413, 'request')
  const payload = parsePayload(text)
  statistics.add('queries' in payload ? payload.queries.length : 1)
  const body = JSON.stringify(await execute(database, payload, options))
  if (body.length > MAX_BYTES) throw tooLarge(507, 'response')
  return c.body(body, 200, { 'content-type': 'application/json' })
}

function readHeaders(c: Context): Options {
  const is = (name: string) => c.req.header(name) === 'true'
  if (!is('neon-raw-text-output')) {
    throw new NeonError(400, { message: 'the local Neon only answers with Neon-Raw-Text-Output: true' })
  }
  const isolation = c.req.header('neon-batch-isolation-level')
  return {
    arrayMode: is('neon-array-mode'),
    ...(isolation !== undefined && { isolation }),
    readOnly: is('neon-batch-read-only'),
    deferrable: is('neon-batch-deferrable'),
  }
}

const tooLarge = (status: number, what: string): NeonError =>
  new NeonError(status, { message: `${what} is too large (max is ${MAX_BYTES} bytes)` })
