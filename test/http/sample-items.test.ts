import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { samples } from '../../src/db/schema.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { toyWorkflow } from '../support/toy.ts'
import { addUser, subscribe } from '../workflows/records.ts'
import { runBatch, timesAsked } from '../workflows/runs.ts'
import { queuedBatch } from './batches.ts'
import { conflict, expectError, invalidRequest, notFound } from './error-shape.ts'
import { askSample, idsOf, sampled } from './samples.ts'

beforeEach(resetEverything)

const workflow = 'welcome-placeholder'

/** Ada and bob have a fresh result, cleo and dora do not, and eve is suspended. */
async function someDone() {
  const app = rounds()
  for (const id of ['ada', 'bob']) await addUser(app.services.db, id)
  await runBatch(app, workflow)
  for (const id of ['cleo', 'dora']) await addUser(app.services.db, id)
  await addUser(app.services.db, 'eve', { status: 'suspended' })
  return app
}

describe('a sample takes', () => {
  test('those whom a batch would work on, and under force those who are done too', async () => {
    const app = await someDone()
    expect(idsOf(await sampled(app, workflow))).toEqual(['cleo', 'dora'])
    expect(idsOf(await sampled(app, workflow, { force: true, count: 3 }))).toEqual(['ada', 'bob', 'cleo'])
  })

  test('those whom the params let in', async () => {
    const app = await someDone()
    await subscribe(app.services.db, 'dora', { plan: 'pro', status: 'active' })
    const sample = await sampled(app, workflow, { params: { paidOnly: true } })
    expect(sample).toMatchObject({ params: { paidOnly: true }, totals: { items: 1 } })
    expect(idsOf(sample)).toEqual(['dora'])
  })

  test('nobody whom a batch holds unfinished, unless it is named and forced', async () => {
    const app = rounds()
    await queuedBatch(app)
    expect(idsOf(await sampled(app, workflow))).toEqual([])
    expect(idsOf(await sampled(app, workflow, { force: true }))).toEqual([])
    const { details } = expectError(await askSample(app, workflow, { itemIds: ['bob'] }), conflict)
    expect(details).toEqual({ itemIds: ['bob'] })
    expect(await timesAsked()).toBe(0)
    expect(idsOf(await sampled(app, workflow, { itemIds: ['bob'], force: true }))).toEqual(['bob'])
  })

  test('those who are named, each once', async () => {
    const app = await someDone()
    expect(idsOf(await sampled(app, workflow, { itemIds: ['dora', 'cleo', 'dora'] }))).toEqual([
      'cleo',
      'dora',
    ])
    expect(await timesAsked()).toBe(4)
    expect(idsOf(await sampled(app, workflow, { itemIds: ['bob'], force: true }))).toEqual(['bob'])
  })

  test('numbers in their own order', async () => {
    const numbers = toyWorkflow((_, id) => Promise.resolve({ text: id }), {
      population: ({ db }) =>
        db
          .select({ id: sql<number>`n`.as('id'), version: sql<string>`'1'`.as('version') })
          .from(sql`generate_series(8, 12) as n`),
    })
    const app = rounds([numbers])
    expect(new Set(idsOf(await sampled(app, 'toy', { count: 2 })))).toEqual(new Set(['8', '9']))
    expect(idsOf(await sampled(app, 'toy', { itemIds: ['11'] }))).toEqual(['11'])
    expectError(await askSample(app, 'toy', { itemIds: ['eleven'] }), invalidRequest)
  })
})

describe('a sample is refused, and nothing is paid,', () => {
  test('with whoever is not eligible, by name', async () => {
    const app = await someDone()
    const answer = await askSample(app, workflow, { itemIds: ['ada', 'cleo', 'eve', 'nobody'], force: true })
    expect(expectError(answer, invalidRequest).details).toEqual([
      { path: 'itemIds.2', message: 'eve is not eligible' },
      { path: 'itemIds.3', message: 'nobody is not eligible' },
    ])
    expect(await timesAsked()).toBe(2)
    expect(await app.services.db.select().from(samples)).toEqual([])
  })

  test('with whoever is done', async () => {
    const app = await someDone()
    const answer = await askSample(app, workflow, { itemIds: ['cleo', 'bob', 'ada'] })
    expect(expectError(answer, conflict).details).toEqual({ itemIds: ['bob', 'ada'] })
    expect(await timesAsked()).toBe(2)
    expect(await app.services.db.select().from(samples)).toEqual([])
  })

  test.for([
    [{ count: 0 }, 'count'],
    [{ count: 21 }, 'count'],
    [{ count: -1 }, 'count'],
    [{ count: 1.5 }, 'count'],
    [{ count: '5' }, 'count'],
    [{ count: null }, 'count'],
    [{ itemIds: [] }, 'itemIds'],
    [{ itemIds: Array.from({ length: 21 }, (_, n) => `user${n}`) }, 'itemIds'],
    [{ itemIds: [''] }, 'itemIds.0'],
    [{ itemIds: 'ada' }, 'itemIds'],
    [{ itemIds: ['ada'], count: 1 }, 'itemIds'],
    [{ params: { paidOnly: 'yes' } }, 'params.paidOnly'],
    [{ params: { paid: true } }, 'params'],
    [{ cuont: 1 }, ''],
  ] as const)('with %o', async ([body, path]) => {
    const app = rounds()
    await addUser(app.services.db, 'ada')
    const { details } = expectError(await askSample(app, workflow, body), invalidRequest)
    expect(details).toMatchObject([{ path }])
    expect(await timesAsked()).toBe(0)
    expect(await app.services.db.select().from(samples)).toEqual([])
  })

  test('of a workflow that does not exist', async () => {
    expectError(await askSample(rounds(), 'welcome-placeholders', {}), notFound)
  })
})
