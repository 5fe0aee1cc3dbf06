import { sql } from 'drizzle-orm'
import { beforeEach, expect, test } from 'vitest'
import { PermanentError } from '../../src/errors.ts'
import type { Workflow } from '../../src/workflows/contract.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { toyWorkflow } from '../support/toy.ts'
import { runBatch } from '../workflows/runs.ts'

beforeEach(resetEverything)

const population: Workflow['population'] = ({ db }) =>
  db
    .select({ id: sql<number>`n`.as('id'), version: sql<string>`'1'`.as('version') })
    .from(sql`generate_series(1, 3) as n`)

test('an id that cannot be one of a population of numbers is not found', async () => {
  const app = rounds([
    toyWorkflow(() => Promise.resolve({ text: '' }), {
      population,
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
  expect((await app.call('GET', '/api/numbers/9999999999')).status).toBe(404)
})

test('failed items of a population of numbers are tried again', async () => {
  let broken = true
  const app = rounds([
    toyWorkflow(
      () => {
        if (broken) throw new PermanentError('it broke')
        return Promise.resolve({ text: '' })
      },
      { population },
    ),
  ])
  const { id } = await runBatch(app, 'toy')
  broken = false
  await app.call('POST', `/api/admin/batches/${id}/retry`, { all: true })
  await app.deliver()
  expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 3 } })
})
