import { neon, neonConfig, NeonDbError, type NeonQueryFunction } from '@neondatabase/serverless'
import { drizzle, type NeonHttpDatabase } from 'drizzle-orm/neon-http'
import {
  bigint,
  boolean,
  integer,
  jsonb,
  numeric,
  pgSchema,
  text,
  timestamp,
  uuid,
} from 'drizzle-orm/pg-core'
import { randomUUID } from 'node:crypto'
import type { LocalNeon } from '../start.ts'

/** What the tests of one backend share: the service, and the real clients connected to it. */
export class Context {
  local!: LocalNeon
  query!: NeonQueryFunction<false, false>
  db!: NeonHttpDatabase

  connect(local: LocalNeon): void {
    neonConfig.fetchEndpoint = local.fetchEndpoint
    this.local = local
    this.query = neon(local.databaseUrl)
    this.db = drizzle(local.databaseUrl)
  }

  /** A request as the driver sends it, but with any body. */
  post(body: string, headers: Record<string, string> = {}): Promise<Response> {
    const always = { 'Neon-Connection-String': this.local.databaseUrl, 'Neon-Raw-Text-Output': 'true' }
    return fetch(this.local.fetchEndpoint, { method: 'POST', body, headers: { ...always, ...headers } })
  }

  setFaults(faults: object): Promise<Response> {
    return fetch(`${this.local.url}/local/faults`, { method: 'POST', body: JSON.stringify(faults) })
  }
}

/** A schema of our own: the database may hold other things. */
export const schema = pgSchema(`suite_${randomUUID().slice(0, 8)}`)
export const things = schema.table('things', {
  id: integer().primaryKey(),
  name: text().unique('things_name_key'),
  big: bigint({ mode: 'bigint' }),
  price: numeric(),
  ready: boolean(),
  data: jsonb().$type<unknown>(),
  at: timestamp({ withTimezone: true }),
  tags: text().array(),
  ref: uuid(),
})

/** The error that a promise rejects with. */
export async function errorOf(promise: Promise<unknown>): Promise<NeonDbError> {
  const error = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (error instanceof NeonDbError) return error
  throw new Error('expected a NeonDbError', { cause: error })
}
