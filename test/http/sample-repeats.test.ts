import { beforeEach, describe, expect, test } from 'vitest'
import { samples } from '../../src/db/schema.ts'
import { openSample } from '../../src/engine/ledger/open-sample.ts'
import { claimSampleItem, saveSampleItem } from '../../src/engine/ledger/samples.ts'
import { insertUsers, userId } from '../support/population.ts'
import { local, resetEverything, rounds } from '../support/rounds.ts'
import { askModel, toyWorkflow } from '../support/toy.ts'
import { addAgent, addUser } from '../workflows/records.ts'
import { timesAsked } from '../workflows/runs.ts'
import { conflict, expectError, unavailable } from './error-shape.ts'
import { askSample, modelStats, sampled, sampleParsed } from './samples.ts'

beforeEach(resetEverything)

const key = { 'idempotency-key': 'monday morning' }

/** A toy workflow over eight users that asks the model, and who was worked on. */
async function eightUsers(options: Parameters<typeof toyWorkflow>[1] = {}) {
  const worked: string[] = []
  const toy = toyWorkflow((tools, id) => {
    worked.push(id)
    return askModel(tools, id)
  }, options)
  const app = rounds([toy])
  await insertUsers(app.services.db, 8)
  return { ...app, app, toy, worked }
}

const all = Array.from({ length: 8 }, (_, n) => userId(n + 1))

describe('the same key', () => {
  test('gives the same sample again, and pays once', async () => {
    const { app, call, worked } = await eightUsers()
    const first = await sampled(app, 'toy', { count: 3 }, 'once')
    // By now a batch has done them all.
    await app.start('toy')
    await app.deliver()
    worked.length = 0
    expect(await sampled(app, 'toy', { count: 3 }, 'once')).toEqual(first)
    expect(await sampled(app, 'toy', { count: 3, params: { tag: '' }, reason: 'again' }, 'once')).toEqual(
      first,
    )
    expect(worked).toEqual([])
    const { body } = await call('GET', '/api/admin/changes?workflow=toy')
    expect(JSON.stringify(body).split('sample.create')).toHaveLength(2)
  })

  test('gives the same named items again, though they need no work by now', async () => {
    const { app, worked } = await eightUsers()
    const first = await sampled(app, 'toy', { itemIds: [userId(2)] }, 'once')
    await app.start('toy')
    await app.deliver()
    expect(await sampled(app, 'toy', { itemIds: [userId(2)] }, 'once')).toEqual(first)
    expect(worked).toHaveLength(9)
  })

  test('pays once when it is sent many times at once, never for more than four items at a time', async () => {
    const { app, worked } = await eightUsers()
    await local('model', 'faults', { rules: [{ delayMs: 300 }] })
    const answers = await Promise.all(
      Array.from({ length: 3 }, async () => await askSample(app, 'toy', { count: 8 }, key)),
    )
    const [one, ...others] = answers.map(({ body }) => sampleParsed(body))
    expect(one?.totals).toMatchObject({ items: 8, succeeded: 8, pending: 0 })
    expect(others).toEqual([one, one])
    expect(worked.toSorted()).toEqual(all)
    expect((await modelStats()).maxConcurrent).toBe(4)
    expect(await app.services.db.select().from(samples)).toHaveLength(1)
  })

  test('pays once for an empty sample and for one that failed', async () => {
    const { app } = await eightUsers()
    await local('model', 'faults', { rules: [{ status: 500 }] })
    const failed = await sampled(app, 'toy', { count: 2 }, 'failed')
    expect(failed.totals).toMatchObject({ items: 2, failed: 2 })
    await local('model', 'faults', { rules: [] })
    expect(await sampled(app, 'toy', { count: 2 }, 'failed')).toEqual(failed)
    expect(await timesAsked()).toBe(2)

    const empty = await sampled(rounds(), 'agent-welcome', {}, 'empty')
    await addAgent(app.services.db, 'late')
    expect(await sampled(rounds(), 'agent-welcome', {}, 'empty')).toEqual(empty)
  })

  test.for([
    { count: 4 },
    {},
    { count: 3, force: true },
    { count: 3, params: { tag: 'other' } },
    { itemIds: [userId(1), userId(2), userId(3)] },
  ])('is refused for another sample: %o', async (other) => {
    const { app } = await eightUsers()
    const { id } = await sampled(app, 'toy', { count: 3 }, 'monday morning')
    const { details } = expectError(await askSample(app, 'toy', other, key), conflict)
    expect(details).toEqual({ sampleId: id })
    expect(await timesAsked()).toBe(3)
  })

  test('belongs to one workflow, and has nothing to do with that of a start', async () => {
    const app = rounds()
    await addAgent(app.services.db, 'guide')
    const ids = [
      (await sampled(app, 'agent-welcome', {}, 'monday morning')).id,
      (await sampled(app, 'welcome-placeholder', {}, 'monday morning')).id,
    ]
    expect(new Set(ids).size).toBe(2)
    const started = await app.call('POST', '/api/admin/workflows/agent-welcome/batches', {}, key)
    expect(started.status).toBe(201)
  })
})

test('without a key every request makes a sample of its own', async () => {
  const { app } = await eightUsers()
  const [one, two] = [await sampled(app, 'toy', { count: 1 }), await sampled(app, 'toy', { count: 1 })]
  expect(one.id).not.toBe(two.id)
  expect(await timesAsked()).toBe(2)
})

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** What a Worker leaves behind that dies with some items at work, each with a lease of one second. */
async function interrupted(atWork: number) {
  const eight = await eightUsers({ timeout: '1 second' })
  const { app, toy } = eight
  const { db } = app.services
  const opened = await openSample(db, {
    workflow: toy,
    params: { tag: '' },
    scope: '',
    force: false,
    choice: { count: 8 },
    key: 'api:toy:monday morning',
    by: { actor: 'somebody', reason: null },
  })
  if (opened.outcome !== 'open') throw new Error('the sample was not opened')
  for (let n = 0; n < atWork; n += 1) {
    await claimSampleItem(db, opened.id, { parallelism: 4, leaseSeconds: 1 })
  }
  return { ...eight, id: opened.id }
}

describe('a sample whose request was interrupted', () => {
  test('is finished by the same key: its very items, each once', async () => {
    const { app, id, worked } = await interrupted(0)
    // Who would come first by now.
    await addUser(app.services.db, 'ada')
    const sample = await sampled(app, 'toy', { count: 8 }, 'monday morning')
    expect(sample).toMatchObject({ id, totals: { pending: 0, succeeded: 8 } })
    expect(worked.toSorted()).toEqual(all)
  })

  test.for([1, 4])('waits for %d items that may still be at work, and then works on them', async (atWork) => {
    const { app, id, worked } = await interrupted(atWork)
    const begun = Date.now()
    const shown = await app.call('GET', `/api/admin/samples/${id}`)
    expect(sampleParsed(shown.body).totals).toMatchObject({ pending: 8, succeeded: 0 })
    const sample = await sampled(app, 'toy', { count: 8 }, 'monday morning')
    expect(Date.now() - begun).toBeGreaterThan(700)
    expect(Date.now() - begun).toBeLessThan(10_000)
    expect(sample.totals).toMatchObject({ pending: 0, succeeded: 8 })
    expect(worked.toSorted()).toEqual(all)
  })

  test('stays as it was answered, should somebody who was given up come to an end after all', async () => {
    const { app, id } = await interrupted(1)
    const sample = await sampled(app, 'toy', { count: 8 }, 'monday morning')
    const late = { status: 'succeeded', output: { text: 'too late' }, error: null, model: null } as const
    await saveSampleItem(
      app.services.db,
      { sampleId: id, itemId: userId(1) },
      { ...late, input: [], inputTokens: 1000, outputTokens: 1000, workMs: 1 },
    )
    expect(sampleParsed((await app.call('GET', `/api/admin/samples/${id}`)).body)).toEqual(sample)
  })

  test('by the database answers 503, keeps what was saved, and repeats only what was not', async () => {
    const { app, worked } = await eightUsers({ timeout: '1 second' })
    const unlucky = toyWorkflow(
      async (tools, id) => {
        worked.push(id)
        const answer = await askModel(tools, id)
        // The second one ends when all have begun and no other has ended, so that it is its save that fails.
        await wait(id === userId(2) ? 200 : 600)
        if (id === userId(2)) await local('neon', 'faults', { failNext: 1 })
        return answer
      },
      { timeout: '1 second' },
    )
    expectError(await askSample(rounds([unlucky]), 'toy', { count: 3 }, key), unavailable)
    expect(worked).toHaveLength(3)
    const [{ id } = { id: '' }] = await app.services.db.select().from(samples)
    const left = sampleParsed((await app.call('GET', `/api/admin/samples/${id}`)).body)
    expect(left.items.map(({ status }) => status)).toEqual(['succeeded', 'pending', 'succeeded'])

    const sample = await sampled(app, 'toy', { count: 3 }, 'monday morning')
    expect(sample.totals).toMatchObject({ items: 3, pending: 0, succeeded: 3 })
    expect(worked.toSorted()).toEqual([1, 2, 2, 3].map(userId))
  })
})
