import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres'
import { Client } from 'pg'
import { users } from '../../../src/db/schema-product.ts'
import { insertPopulation, type Seeded, type SeedOptions } from './insert.ts'

/** Inserts a population into the database that a connection string names. */
export const seedDatabase = (postgresUrl: string, options: SeedOptions): Promise<Seeded> =>
  withDatabase(postgresUrl, (db) => insertPopulation(db, options))

/** The same, unless the database has users: then null. */
export const seedIfEmpty = (postgresUrl: string, options: SeedOptions): Promise<Seeded | null> =>
  withDatabase(postgresUrl, async (db) => {
    const anyone = await db.select({ id: users.id }).from(users).limit(1)
    return anyone.length > 0 ? null : await insertPopulation(db, options)
  })

/** A drizzle database over one connection, for as long as `act` takes. */
export async function withDatabase<Result>(
  postgresUrl: string,
  act: (db: NodePgDatabase) => Promise<Result>,
): Promise<Result> {
  const client = new Client({ connectionString: postgresUrl })
  await client.connect()
  try {
    return await act(drizzle(client))
  } finally {
    await client.end()
  }
}
