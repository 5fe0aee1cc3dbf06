import { getTableColumns, sql, type SQL } from 'drizzle-orm'
import type { PgTable } from 'drizzle-orm/pg-core'
import { z } from 'zod'
import { agents, subscriptions, topics, upgrades, users } from '../../../src/db/schema-product.ts'
import { fromFile, type FileAgent } from './agents-file.ts'
import { seedAgent } from './agents.ts'
import { seedUpgrades } from './upgrades.ts'
import { seedSubscriptions, seedTopics, seedUser } from './users.ts'

const chunkSize = 5000

/** Any drizzle database over Postgres. */
export type SeedDatabase = { execute(statement: SQL): PromiseLike<unknown> }

export type SeedOptions = {
  users: number
  /** How many to make up, or agents from a file. */
  agents: number | readonly FileAgent[]
  /** Times lie before it; default the present. */
  now?: Date
  signal?: AbortSignal
}

/** How many rows were new. */
export type Seeded = { users: number; subscriptions: number; topics: number; agents: number }

/**
 * Inserts a population that depends on nothing but the options; rows that are there already stay as they are.
 *
 * Agents need owners: without users, one is made for every ten agents.
 */
export async function insertPopulation(db: SeedDatabase, options: SeedOptions): Promise<Seeded> {
  const { agents: wanted, now = new Date(), signal } = options
  const agentCount = typeof wanted === 'number' ? wanted : wanted.length
  const userCount = options.users === 0 ? Math.ceil(agentCount / 10) : options.users
  const seeded: Seeded = { users: 0, subscriptions: 0, topics: 0, agents: 0 }

  for (const rows of chunks(userCount)) {
    signal?.throwIfAborted()
    const each = <Row>(seed: (row: number, now: Date) => Row) => rows.map((row) => seed(row, now))
    seeded.users += await insertRows(db, users, each(seedUser))
    seeded.subscriptions += await insertRows(db, subscriptions, each(seedSubscriptions).flat())
    await insertRows(db, upgrades, each(seedUpgrades).flat())
    seeded.topics += await insertRows(db, topics, each(seedTopics).flat())
  }
  for (const rows of chunks(agentCount)) {
    signal?.throwIfAborted()
    const given = typeof wanted === 'number' ? null : wanted
    const agentOf = (row: number) => {
      const agent = given?.[row - 1]
      return agent === undefined ? seedAgent(row, userCount, now) : fromFile(agent, row, userCount)
    }
    seeded.agents += await insertRows(db, agents, rows.map(agentOf))
  }
  return seeded
}

/** The numbers 1 to `count`, in arrays. */
function* chunks(count: number): Generator<number[]> {
  for (let done = 0; done < count; done += chunkSize) {
    yield Array.from({ length: Math.min(chunkSize, count - done) }, (_, index) => done + index + 1)
  }
}

const answer = z.object({ rows: z.tuple([z.object({ inserted: z.int() })]) })

/** One statement with one parameter, however many rows: a parameter for every value would be slow, and limited. */
async function insertRows<Table extends PgTable>(
  db: SeedDatabase,
  table: Table,
  rows: Table['$inferSelect'][],
): Promise<number> {
  if (rows.length === 0) return 0
  const columns = Object.entries(getTableColumns(table))
  const records = rows.map((row: Record<string, unknown>) =>
    Object.fromEntries(columns.map(([key, column]) => [column.name, row[key]])),
  )
  const names = sql.join(
    columns.map(([, column]) => sql.identifier(column.name)),
    sql`, `,
  )
  const statement = sql`
    with added as (
      insert into ${table} (${names})
      select ${names} from jsonb_populate_recordset(null::${table}, ${JSON.stringify(records)}::jsonb)
      on conflict do nothing
      returning 1
    )
    select count(*)::int as inserted from added`
  try {
    return answer.parse(await db.execute(statement)).rows[0].inserted
  } catch (error) {
    // drizzle's message repeats every parameter.
    throw error instanceof Error && error.cause !== undefined ? error.cause : error
  }
}
