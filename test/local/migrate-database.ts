import { drizzle } from 'drizzle-orm/node-postgres'
import { migrate } from 'drizzle-orm/node-postgres/migrator'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Client } from 'pg'
import { z } from 'zod'
import { showDatabase } from './postgres-url.ts'

const migrationsFolder = join(import.meta.dirname, '../../migrations')

const journalSchema = z.object({ entries: z.array(z.object({ tag: z.string(), when: z.number() })) })
const existsSchema = z.array(z.object({ exists: z.boolean() }))
const lastSchema = z.array(z.object({ last: z.coerce.number() }))

/**
 * Brings a database's schema up to date.
 *
 * @returns the names of the migrations that it lacked.
 * @throws Error that names the database when it cannot be reached or migrated.
 */
export async function migrateDatabase(postgresUrl: string): Promise<string[]> {
  const client = new Client({ connectionString: postgresUrl })
  try {
    await client.connect()
    const last = await lastMigration(client)
    await migrate(drizzle(client), { migrationsFolder })
    const journal = await readFile(join(migrationsFolder, 'meta/_journal.json'), 'utf8')
    const { entries } = journalSchema.parse(JSON.parse(journal))
    return entries.filter(({ when }) => when > last).map(({ tag }) => tag)
  } catch (error) {
    throw new Error(`cannot migrate ${showDatabase(postgresUrl)}`, { cause: error })
  } finally {
    await client.end()
  }
}

/** When the latest migration in the database was made; 0 when there is none. */
async function lastMigration(client: Client): Promise<number> {
  const table = 'drizzle.__drizzle_migrations'
  const found = await client.query(`select to_regclass('${table}') is not null as exists`)
  if (!existsSchema.parse(found.rows)[0]?.exists) return 0
  const { rows } = await client.query(`select coalesce(max(created_at), 0) as last from ${table}`)
  return lastSchema.parse(rows)[0]?.last ?? 0
}
