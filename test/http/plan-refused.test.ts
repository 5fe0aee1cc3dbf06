import { eq, sql } from 'drizzle-orm'
import { unionAll } from 'drizzle-orm/pg-core'
import { beforeEach, expect, test } from 'vitest'
import { users } from '../../src/db/schema.ts'
import { insertUsers, userId } from '../support/population.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { askModel, toyWorkflow } from '../support/toy.ts'

beforeEach(resetEverything)

test('a population that gives an id twice is refused, and says so: one of its rows would need work for ever', async () => {
  const twice = toyWorkflow(askModel, {
    population: ({ db }) =>
      unionAll(
        db.select({ id: users.id, version: sql<string>`'1'` }).from(users),
        db
          .select({ id: users.id, version: sql<string>`'2'` })
          .from(users)
          .where(eq(users.id, userId(1))),
      ),
  })
  const app = rounds([twice])
  await insertUsers(app.services.db, 3)
  const reason = expect.stringContaining('gives ids more than once (1 row(s) too many)')
  expect(await app.call('POST', '/api/admin/workflows/toy/batches', { dryRun: true })).toMatchObject({
    status: 409,
    body: { error: { message: reason } },
  })
  const { id } = await app.start('toy')
  await app.deliver()
  expect(await app.batch(id)).toMatchObject({ status: 'failed', reason })
})
