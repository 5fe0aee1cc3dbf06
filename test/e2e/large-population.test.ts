import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { withDatabase } from '../local/seed/seed-database.ts'
import { alone } from '../support/deployed.ts'
import { deployment } from './deployment.ts'

const { run, call, stack } = await deployment({ serve: alone })

const workflow = 'welcome-placeholder'
const seconds = 1000

/** Users from one number to another, with ids of one length, so that message sizes can be compared. */
const addUsers = (from: number, to: number) =>
  withDatabase(stack.neon.postgresUrl, async (db) => {
    await db.execute(sql`
      insert into users (id, name, email, locale, interests)
      select 'u' || lpad(n::text, 7, '0'), 'User', 'user@example.com', 'en-US', jsonb_build_array('topic ' || n)
      from generate_series(${from}::int, ${to}::int) n`)
    await db.execute(sql`analyze users`)
  })

async function timed<T>(act: () => Promise<T>): Promise<{ ms: number; value: T }> {
  const started = performance.now()
  const value = await act()
  return { ms: performance.now() - started, value }
}

const batchOf200 = async () => {
  stack.qstash.reset()
  const batch = await run(workflow, { limit: 200, force: true })
  expect(batch).toMatchObject({ status: 'completed', counts: { recorded: 200, succeeded: 200 } })
  return stack.qstash.stats().largest
}

test('over 100,000 users a plan and a start take seconds, and no message is larger than over 1,000', async () => {
  await addUsers(1, 1000)
  const small = await batchOf200()

  await addUsers(1001, 100_000)
  const plan = await timed(() => call('POST', `/api/admin/workflows/${workflow}/batches`, { dryRun: true }))
  expect(plan.value.body).toMatchObject({ totalEligible: 100_000, toProcess: 99_800 })
  expect(plan.ms).toBeLessThan(10 * seconds)

  const start = await timed(() => call('POST', `/api/admin/workflows/${workflow}/batches`, { limit: 1 }))
  expect(start.value.status).toBe(201)
  expect(start.ms).toBeLessThan(5 * seconds)
  await stack.qstash.idle()

  const large = await batchOf200()
  // Counts have more digits; nothing else differs.
  expect(large.delivered).toBe(small.delivered)
  expect(large.published).toBeLessThanOrEqual(small.published + 2 * '00'.length)
  expect(large.delivered).toBeLessThan(2000)

  const { rows } = await withDatabase(stack.neon.postgresUrl, (db) =>
    db.execute(sql`select octet_length(sample::text) as bytes from plans order by id desc limit 1`),
  )
  expect(z.array(z.object({ bytes: z.int() })).parse(rows)[0]?.bytes).toBeLessThan(200)
})
