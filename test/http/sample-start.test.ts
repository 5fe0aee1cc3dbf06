import { eq, sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { agents, batches, results, sampleItems, samples, users } from '../../src/db/schema.ts'
import { skip } from '../../src/workflows/contract.ts'
import { insertUsers, userId } from '../support/population.ts'
import { batchSchema, local, resetEverything, rounds } from '../support/rounds.ts'
import { askModel, toyWorkflow } from '../support/toy.ts'
import { addUser } from '../workflows/records.ts'
import { itemsOf, planned, runBatch, timesAsked } from '../workflows/runs.ts'
import { conflict, expectError, notFound } from './error-shape.ts'
import { envelopeSchema, readers } from './readers.ts'
import { cacheEntry } from './redis.ts'
import { modelStats, sampled } from './samples.ts'

beforeEach(resetEverything)

const start = (workflow: string) => `/api/admin/workflows/${workflow}/batches`
const names = ['aster', 'briar', 'clover', 'dahlia', 'elder']

const touched = {
  'welcome-placeholder': (app: ReturnType<typeof rounds>, id: string) =>
    app.services.db
      .update(users)
      .set({ interests: ['chess'] })
      .where(eq(users.id, id)),
  'agent-welcome': (app: ReturnType<typeof rounds>, id: string) =>
    app.services.db.update(agents).set({ title: 'Chess coach' }).where(eq(agents.id, id)),
}

describe.each(readers)('a batch of $workflow that names a sample', ({ workflow, add, path, key }) => {
  async function fiveOfWhomTwoSampled() {
    const app = rounds()
    for (const id of names) await add(app.services.db, id)
    return { app, sample: await sampled(app, workflow, { count: 2 }) }
  }

  test('publishes its results, and pays only for the others', async () => {
    const { app, sample } = await fiveOfWhomTwoSampled()
    const batch = await runBatch(app, workflow, { sampleId: sample.id })
    expect(batch).toMatchObject({ status: 'completed', counts: { recorded: 5, succeeded: 5 } })
    expect(await timesAsked()).toBe(2 + 3)

    for (const { id, output, model } of sample.items) {
      expect((await app.call('GET', path(id))).body).toEqual(output)
      expect(envelopeSchema.parse(await cacheEntry(key(id)))).toMatchObject({ data: output, model })
      const [stored] = await app.services.db.select().from(results).where(eq(results.itemId, id))
      expect(stored).toMatchObject({ data: output, model, batchId: batch.id })
    }
    const { promptTokens, completionTokens } = await modelStats()
    expect(batch.spent).toMatchObject({
      inputTokens: promptTokens - sample.totals.inputTokens,
      outputTokens: completionTokens - sample.totals.outputTokens,
    })
    const spent = (await itemsOf(app, batch.id)).map(({ inputTokens }) => inputTokens)
    expect(spent.map((tokens) => tokens === 0)).toEqual([true, true, false, false, false])
  })

  test('works again on whoever has changed since', async () => {
    const { app, sample } = await fiveOfWhomTwoSampled()
    await touched[workflow === 'agent-welcome' ? workflow : 'welcome-placeholder'](app, 'aster')
    expect((await runBatch(app, workflow, { sampleId: sample.id })).counts).toMatchObject({ succeeded: 5 })
    expect(await timesAsked()).toBe(2 + 4)
    const { body } = await app.call('GET', path('aster'))
    expect(JSON.stringify(body)).toMatch(/chess/i)
    expect((await app.call('GET', path('briar'))).body).toEqual(sample.items[1]?.output)
  })

  test('does so under force as well, over results that are fresh', async () => {
    const app = rounds()
    for (const id of names) await add(app.services.db, id)
    await runBatch(app, workflow)
    const sample = await sampled(app, workflow, { count: 2, force: true })
    expect(await timesAsked()).toBe(5 + 2)
    const batch = await runBatch(app, workflow, { sampleId: sample.id, force: true })
    expect(batch.counts).toMatchObject({ recorded: 5, succeeded: 5 })
    expect(await timesAsked()).toBe(5 + 2 + 3)
  })

  test('works again on an item that failed in it', async () => {
    const app = rounds()
    for (const id of names) await add(app.services.db, id)
    await local('model', 'faults', { rules: [{ malformed: 'wrong-shape', times: 1 }] })
    const sample = await sampled(app, workflow, { count: 3 })
    expect(sample.totals).toMatchObject({ succeeded: 2, failed: 1 })
    expect((await runBatch(app, workflow, { sampleId: sample.id })).counts).toMatchObject({ succeeded: 5 })
    expect(await timesAsked()).toBe(3 + 3)
  })
})

test('a batch works again on an item that its sample skipped, and on one that it never came to', async () => {
  let holiday = true
  const worked: string[] = []
  const app = rounds([
    toyWorkflow((tools, id) => {
      worked.push(id)
      return holiday && id === userId(1) ? Promise.resolve(skip('is on holiday')) : askModel(tools, id)
    }),
  ])
  await insertUsers(app.services.db, 4)
  const sample = await sampled(app, 'toy', { count: 3 })
  await app.services.db
    .update(sampleItems)
    .set({ status: 'pending', output: null })
    .where(eq(sampleItems.itemId, userId(2)))
  holiday = false
  worked.length = 0
  expect((await runBatch(app, 'toy', { sampleId: sample.id })).counts).toMatchObject({ succeeded: 4 })
  expect(worked.toSorted()).toEqual([1, 2, 4].map(userId))
})

/** The answer to a start, and to its dry run, that is refused with nothing done. */
async function refused(app: ReturnType<typeof rounds>, name: string, body: unknown) {
  const before = await timesAsked()
  const answers = [
    await app.call('POST', start(name), body),
    await app.call('POST', start(name), { ...Object(body), dryRun: true }),
  ]
  expect(await app.services.db.select().from(batches)).toEqual([])
  expect(await timesAsked()).toBe(before)
  expect(answers[1]).toEqual(answers[0])
  return answers[0] ?? { status: 0, body: null }
}

describe('a start that names a sample', () => {
  const workflow = 'welcome-placeholder'

  test('that does not exist is refused', async () => {
    const sampleId = crypto.randomUUID()
    const error = expectError(await refused(rounds(), workflow, { sampleId }), notFound)
    expect(error.message).toContain(sampleId)
  })

  test('of another workflow is refused', async () => {
    const app = rounds()
    const { id: sampleId } = await sampled(app, 'agent-welcome')
    const error = expectError(await refused(app, workflow, { sampleId }), conflict)
    expect(error.message).toContain('agent-welcome')
  })

  test('of another scope is refused, of other params of the same scope not', async () => {
    const app = rounds([toyWorkflow(askModel, { scope: ({ tag }) => tag.slice(0, 1) })])
    await insertUsers(app.services.db, 1)
    const { id: sampleId } = await sampled(app, 'toy', { params: { tag: 'a1' } })
    expectError(await refused(app, 'toy', { sampleId }), conflict)
    expectError(await refused(app, 'toy', { sampleId, params: { tag: 'b' } }), conflict)
    expect((await runBatch(app, 'toy', { sampleId, params: { tag: 'a2' } })).status).toBe('completed')
    expect(await timesAsked()).toBe(1)
  })

  test('whose results do not fit the workflow any more is refused', async () => {
    const app = rounds()
    await addUser(app.services.db, 'ada')
    const { id: sampleId } = await sampled(app, workflow)
    await app.services.db.update(sampleItems).set({ output: { of: 'another time' } })
    const error = expectError(await refused(app, workflow, { sampleId }), conflict)
    expect(error.details).toEqual({ itemId: 'ada' })
  })

  test('that is older than a result stays fresh is refused', async () => {
    const app = rounds()
    await addUser(app.services.db, 'ada')
    const { id: sampleId } = await sampled(app, workflow)
    const age = async (days: number) =>
      await app.services.db.update(samples).set({ createdAt: sql`now() - make_interval(days => ${days})` })
    await age(31)
    const error = expectError(await refused(app, workflow, { sampleId }), conflict)
    expect(error.message).toContain('30 days')
    await age(29)
    expect((await app.call('POST', start(workflow), { sampleId })).status).toBe(201)
  })

  test('that is older is fine when results stay fresh for ever', async () => {
    const app = rounds([toyWorkflow(askModel)])
    await insertUsers(app.services.db, 1)
    const { id: sampleId } = await sampled(app, 'toy')
    await app.services.db.update(samples).set({ createdAt: new Date('2020-01-01') })
    expect((await runBatch(app, 'toy', { sampleId })).counts).toMatchObject({ succeeded: 1 })
    expect(await timesAsked()).toBe(1)
  })

  test('as a dry run is planned as without it, and nothing is published', async () => {
    const app = rounds()
    for (const id of names) await addUser(app.services.db, id)
    const { id: sampleId } = await sampled(app, workflow, { count: 2 })
    expect(await planned(app, workflow, { sampleId })).toMatchObject({ totalEligible: 5, toProcess: 5 })
    expect(await app.deliver()).toEqual([])
    expect(await app.services.db.select().from(results)).toEqual([])
  })

  test('shows it on the batch, and once more under the same key', async () => {
    const app = rounds()
    await addUser(app.services.db, 'ada')
    const { id: sampleId } = await sampled(app, workflow)
    const key = { 'idempotency-key': 'with a sample' }
    const first = await app.call('POST', start(workflow), { sampleId }, key)
    await app.deliver()
    const again = await app.call('POST', start(workflow), { sampleId }, key)
    expect([first.status, again.status]).toEqual([201, 200])
    expect(again.body).toMatchObject({ id: batchSchema.parse(first.body).id, sampleId, status: 'completed' })
    expectError(await app.call('POST', start(workflow), {}, key), conflict)
    expect(await timesAsked()).toBe(1)
  })
})
