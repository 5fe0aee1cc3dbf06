import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { migrateDatabase } from './migrate-database.ts'
import { reportHandlers } from './report-handlers.ts'
import { startNeon, type LocalNeon } from './neon/start.ts'
import { withDatabase } from './seed/seed-database.ts'

let neon: LocalNeon
beforeAll(async () => {
  neon = await startNeon()
  await migrateDatabase(neon.postgresUrl)
})
afterAll(() => neon.close())

const run = promisify(execFile)
const failed = z.object({ code: z.number(), stderr: z.string() })
const check = (url: string | undefined) =>
  run(process.execPath, ['test/local/check-handlers.ts'], {
    env: { ...process.env, DATABASE_URL: url },
  }).then(
    ({ stdout, stderr }) => ({ code: 0, said: stdout + stderr }),
    (error: unknown) => {
      const { code, stderr } = failed.parse(error)
      return { code, said: stderr }
    },
  )

/** Records an item that a handler of this version began, with this status. */
const item = (workflow: string, handler: number, status: string) =>
  withDatabase(neon.postgresUrl, async (db) => {
    await db.execute(sql`delete from batches`)
    await db.execute(sql`
      insert into batches (id, workflow, scope, status, start_key, started_by, params, force, max_outstanding,
        parallelism, rate, item_tokens, item_usd)
      values ('01a00000-0000-7000-8000-000000000001', ${workflow}, '', 'completed', 'k', 'api', '{}', false, 1, 1, 1, 0, 0)`)
    await db.execute(sql`
      insert into batch_items (batch_id, item_id, workflow, scope, page, version, status, handler)
      values ('01a00000-0000-7000-8000-000000000001', 'one', ${workflow}, '', 1, '', ${status}, ${handler})`)
    await db.execute(sql`
      insert into item_steps (batch_id, item_id, name, kind, status, attempt)
      values ('01a00000-0000-7000-8000-000000000001', 'one', 'a', 'step', 'done', 1)`)
  })

const gone = 'need version 1 of its handler, which is not here'

test.each([
  ['waits with a handler that is here', 'trial-lifecycle', 1, 'waiting', [], []],
  ['is of a workflow that is not here', 'gone', 1, 'running', [`1 unfinished item(s) of gone ${gone}`], []],
  ['has ended', 'trial-lifecycle', 7, 'succeeded', [], []],
  [
    'has failed, and has steps that stand',
    'trial-lifecycle',
    7,
    'failed',
    [],
    [expect.stringMatching(/^1 failed item.*version 7/)],
  ],
])('a deployment while an item %s', async (_, workflow, handler, status, problems, warnings) => {
  await item(workflow, handler, status)
  expect(await reportHandlers(neon.postgresUrl)).toEqual({ problems, warnings })
})

test.each([
  ['is of a handler that is not here is refused', 'waiting', 1, '1 unfinished item(s) of trial-lifecycle'],
  ['can be tried again only with one that is not here goes on', 'failed', 0, 'warning: 1 failed item(s)'],
])('a deployment while an item %s', async (_, status, code, said) => {
  await item('trial-lifecycle', 7, status)
  const checked = await check(neon.postgresUrl)
  expect(checked.said).toContain(said)
  expect(checked.code).toBe(code)
})

test('a deployment of which nobody knows the database is refused', async () => {
  const { code, said } = await check(undefined)
  expect(code).toBe(1)
  expect(said).toContain('DATABASE_URL')
})
