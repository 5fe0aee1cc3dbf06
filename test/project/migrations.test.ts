import { PGlite } from '@electric-sql/pglite'
import { generateDrizzleJson, generateMigration } from 'drizzle-kit/api'
import { drizzle } from 'drizzle-orm/pglite'
import { migrate } from 'drizzle-orm/pglite/migrator'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import * as schema from '../../src/db/schema.ts'
import { initializedFiles } from '../local/neon/initialized.ts'
import { root } from './source.ts'

const folder = join(root, 'migrations')
const journal = z
  .object({ entries: z.array(z.object({ idx: z.int(), tag: z.string() })) })
  .parse(JSON.parse(readFileSync(join(folder, 'meta/_journal.json'), 'utf8')))

const emptyDatabase = async () => await PGlite.create({ loadDataDir: await initializedFiles() })

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
    const client = await emptyDatabase()
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

test('what a database of the first version holds is carried over', async () => {
  const client = await emptyDatabase()
  const [first, ...later] = journal.entries.map(({ tag }) => readFileSync(join(folder, `${tag}.sql`), 'utf8'))
  await client.exec(first ?? '')
  await client.exec(`
    insert into plans (id, key, workflow, params, force, total_eligible, already_processed, held, to_process, sample)
    values ('01a00000-0000-7000-8000-000000000001', 'k', 'toy', '{}', false, 3, 0, 0, 3, '[]');
    insert into batches (id, workflow, scope, status, reason, start_key, started_by, params, force, max_outstanding,
      recorded, succeeded, failed)
    values ('01a00000-0000-7000-8000-000000000002', 'toy', '', 'paused', null, 's', 'api', '{}', false, 1000, 3, 1, 1);
    insert into batch_items (batch_id, item_id, workflow, scope, page, version, status, error, input_tokens)
    select '01a00000-0000-7000-8000-000000000002', id, 'toy', '', 1, '1', status, error::jsonb, 10
    from (values ('a', 'succeeded', null), ('b', 'failed', '{"name":"Error","message":"no"}'), ('c', 'running', null))
      i (id, status, error)`)
  for (const migration of later) await client.exec(migration)
  const { rows } = await client.query(`
    select b.running, b.input_tokens, b.paused_by, b.parallelism, i.error, i.fingerprint, p.assumptions->>'source' as source
    from batches b join batch_items i on i.batch_id = b.id and i.item_id = 'b' join plans p on true`)
  await client.close()
  expect(rows).toEqual([
    {
      running: 1,
      input_tokens: 30,
      paused_by: 'operator',
      parallelism: 10,
      error: { name: 'Error', message: 'no', step: 'run' },
      fingerprint: expect.stringMatching(/^[0-9a-f]{12}$/),
      source: 'unknown',
    },
  ])
})

test('steps from before their turn was noted are taken for steps that were asked for one after the other', async () => {
  const client = await emptyDatabase()
  const files = journal.entries.map(({ tag }) => readFileSync(join(folder, `${tag}.sql`), 'utf8'))
  for (const migration of files.slice(0, 9)) await client.exec(migration)
  // Without their batch and item, which are beside the point.
  await client.exec(`
    set session_replication_role = replica;
    insert into item_steps (batch_id, item_id, name, kind, status, attempt, turn)
    select '01a00000-0000-7000-8000-000000000002', item, name, 'step', 'done', 1, turn
    from (values ('old', 'b', 0), ('old', 'a', 0), ('old', 'c', 0), ('new', 'a', 0), ('new', 'b', 0), ('new', 'c', 2))
      s (item, name, turn)`)
  for (const migration of files.slice(9)) await client.exec(migration)
  const { rows } = await client.query(
    `select item_id || ': ' || string_agg(name || turn, ' ' order by position) as turns from item_steps group by item_id order by 1`,
  )
  await client.close()
  expect(rows).toEqual([{ turns: 'new: a0 b0 c2' }, { turns: 'old: b0 a1 c2' }])
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
