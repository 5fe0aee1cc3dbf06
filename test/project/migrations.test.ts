import { PGlite } from '@electric-sql/pglite'
import { generateDrizzleJson, generateMigration } from 'drizzle-kit/api'
import { drizzle } from 'drizzle-orm/pglite'
import { migrate } from 'drizzle-orm/pglite/migrator'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import * as schema from '../../src/db/schema.ts'
import { root } from './source.ts'

const folder = join(root, 'migrations')
const journal = z
  .object({ entries: z.array(z.object({ idx: z.int(), tag: z.string() })) })
  .parse(JSON.parse(readFileSync(join(folder, 'meta/_journal.json'), 'utf8')))

describe('the migrations', () => {
  test('are the files that the journal names, in its order', () => {
    const files = readdirSync(folder).filter((name) => name.endsWith('.sql'))
    expect(files.toSorted()).toEqual(journal.entries.map(({ tag }) => `${tag}.sql`))
    expect(journal.entries.map(({ idx }) => idx)).toEqual(journal.entries.map((_, n) => n))
  })

  test('leave nothing to generate: the latest snapshot is the schema', async () => {
    const number = String(journal.entries.length - 1).padStart(4, '0')
    const snapshot = JSON.parse(readFileSync(join(folder, `meta/${number}_snapshot.json`), 'utf8'))
    expect(await generateMigration(snapshot, generateDrizzleJson(schema, snapshot.id))).toEqual([])
  })

  test('make the same database as the schema would without them', async () => {
    const client = new PGlite()
    await migrate(drizzle(client), { migrationsFolder: folder })
    const migrated = await describeDatabase(client)
    await client.exec('drop schema public cascade; create schema public')
    const statements = await generateMigration(generateDrizzleJson({}), generateDrizzleJson(schema))
    await client.exec(statements.join(';\n'))
    const declared = await describeDatabase(client)
    await client.close()

    expect(migrated).toEqual(declared)
    expect(declared.length).toBeGreaterThan(50)
  })
})

/** Every column, index and constraint of the schema `public`, one a line. */
async function describeDatabase(client: PGlite): Promise<string[]> {
  const { rows } = await client.query<{ line: string }>(`
    select concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default) as line
    from information_schema.columns where table_schema = 'public'
    union all select indexdef from pg_indexes where schemaname = 'public'
    union all select concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid))
    from pg_constraint where connamespace = 'public'::regnamespace
    order by 1`)
  return rows.map(({ line }) => line)
}
