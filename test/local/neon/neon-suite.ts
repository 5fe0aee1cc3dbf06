import { sql } from 'drizzle-orm'
import { afterAll, afterEach, beforeAll, describe } from 'vitest'
import type { LocalNeon } from './start.ts'
import { connectionsSuite } from './suite/connections.ts'
import { Context, schema, things } from './suite/context.ts'
import { requestsSuite } from './suite/requests.ts'
import { transactionsSuite } from './suite/transactions.ts'
import { valuesSuite } from './suite/values.ts'

/** What every backend of the local Neon must do, seen through the real clients. */
export function neonSuite(name: string, start: () => Promise<LocalNeon>): void {
  describe(`local Neon over ${name}`, () => {
    const t = new Context()

    beforeAll(async () => {
      t.connect(await start())
      await t.db.execute(sql`create schema ${sql.identifier(schema.schemaName)}`)
      await t.db.execute(sql`create table ${things} (
        id int primary key, name text constraint things_name_key unique, big bigint, price numeric,
        ready boolean, data jsonb, at timestamptz, tags text[], ref uuid)`)
      t.local.reset()
      // PGlite makes a database when it starts, which takes seconds on a busy machine.
    }, 60_000)
    afterEach(async () => {
      t.local.reset()
      await t.db.delete(things)
      t.local.reset()
    })
    afterAll(async () => {
      await t.db.execute(sql`drop schema ${sql.identifier(schema.schemaName)} cascade`)
      await t.local.close()
    })

    valuesSuite(t)
    transactionsSuite(t)
    connectionsSuite(t)
    requestsSuite(t)
  })
}
