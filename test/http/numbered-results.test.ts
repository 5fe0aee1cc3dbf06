import { sql } from 'drizzle-orm'
import { beforeEach, expect, test } from 'vitest'
import { resetEverything, rounds } from '../support/rounds.ts'
import { toyWorkflow } from '../support/toy.ts'

beforeEach(resetEverything)

test('an id that cannot be one of a population of numbers is not found', async () => {
  const app = rounds([
    toyWorkflow(() => Promise.resolve({ text: '' }), {
      population: ({ db }) =>
        db
          .select({ id: sql<number>`n`.as('id'), version: sql<string>`'1'`.as('version') })
          .from(sql`generate_series(1, 3) as n`),
      read: {
        path: '/api/numbers/:id',
        empty: { text: 'none yet' },
        own: async ({ db }, id) => {
          const { rows } = await db.execute(sql`select from generate_series(1, 3) as n where n = ${id}`)
          return rows.length === 0 ? undefined : null
        },
        cached: () => Promise.resolve(null),
      },
    }),
  ])
  expect(await app.call('GET', '/api/numbers/2')).toEqual({ status: 200, body: { text: 'none yet' } })
  expect((await app.call('GET', '/api/numbers/two')).status).toBe(404)
})
