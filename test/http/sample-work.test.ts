import { beforeEach, describe, expect, test } from 'vitest'
import { samples } from '../../src/db/schema.ts'
import { skip } from '../../src/workflows/contract.ts'
import { insertUsers, userId } from '../support/population.ts'
import { local, resetEverything, rounds } from '../support/rounds.ts'
import { askModel, toyWorkflow } from '../support/toy.ts'
import { timesAsked } from '../workflows/runs.ts'
import { conflict, expectError } from './error-shape.ts'
import { readers } from './readers.ts'
import { askSample, modelStats, sampled, sampleParsed } from './samples.ts'

beforeEach(resetEverything)

/** A deployment of the toy workflow over so many users. */
async function toyOver(
  users: number,
  work: Parameters<typeof toyWorkflow>[0],
  options: Parameters<typeof toyWorkflow>[1] = {},
) {
  const app = rounds([toyWorkflow(work, options)])
  await insertUsers(app.services.db, users)
  return app
}

describe.each(readers)('in a sample of $workflow, an item', ({ workflow, add }) => {
  test.for([500, 429, 400])(
    'for which the model answers %d fails, alone and without a retry',
    async (status) => {
      const app = rounds()
      for (const id of ['fern', 'moss']) await add(app.services.db, id)
      await local('model', 'faults', { rules: [{ status, times: 1, retryAfterSeconds: 1 }] })
      const { items, totals } = await sampled(app, workflow)
      expect(totals).toMatchObject({ items: 2, succeeded: 1, failed: 1 })
      const [failed, ...more] = items.filter((item) => item.status === 'failed')
      expect(more).toEqual([])
      expect(failed).toMatchObject({
        error: { message: expect.stringContaining(String(status)), step: 'generate' },
        output: null,
        inputTokens: 0,
        input: [{ prompt: expect.stringContaining('Locale') }],
      })
      expect(await timesAsked()).toBe(2)
    },
  )

  test.for(['wrong-shape', 'not-json', 'empty', 'truncated'])(
    'whose answer is %s fails, and its tokens count',
    async (malformed) => {
      const app = rounds()
      await add(app.services.db, 'fern')
      await local('model', 'faults', { rules: [{ malformed }] })
      const { items, totals } = await sampled(app, workflow)
      expect(items).toMatchObject([
        {
          status: 'failed',
          output: null,
          error: { message: "the model's answer does not fit the schema" },
          model: 'local-model',
        },
      ])
      const paid = await modelStats()
      expect(totals).toMatchObject({
        inputTokens: paid.promptTokens,
        outputTokens: paid.completionTokens,
      })
      expect(totals.inputTokens).toBeGreaterThan(0)
    },
  )
})

describe('the work of a sample', () => {
  test('is done for four items at once', async () => {
    const app = await toyOver(10, askModel)
    await local('model', 'faults', { rules: [{ delayMs: 200 }] })
    const { items, totals } = await sampled(app, 'toy', { count: 10 })
    expect((await modelStats()).maxConcurrent).toBe(4)
    expect(totals.succeeded).toBe(10)
    for (const { workMs } of items) expect(workMs).toBeGreaterThanOrEqual(150)
  })

  test('ends with its timeout, which holds up nobody else', async () => {
    const app = await toyOver(3, askModel, { timeout: '1 second' })
    await local('model', 'faults', { rules: [{ match: userId(2), delayMs: 20_000 }] })
    const begun = Date.now()
    const { items } = await sampled(app, 'toy')
    expect(Date.now() - begun).toBeLessThan(10_000)
    expect(items).toMatchObject([
      { status: 'succeeded' },
      { status: 'failed', error: { message: 'the work took longer than 1 second' }, output: null },
      { status: 'succeeded' },
    ])
  })

  test('may find that there is nothing to do, or throw before the model is asked', async () => {
    const app = await toyOver(3, (tools, id) => {
      if (id === userId(1)) return Promise.resolve(skip('is on holiday'))
      if (id === userId(2)) throw new TypeError('this never works')
      return askModel(tools, id)
    })
    const { items, totals } = await sampled(app, 'toy')
    expect(items).toMatchObject([
      { status: 'skipped', error: { name: 'Skipped', message: 'is on holiday', step: 'execute' }, input: [] },
      { status: 'failed', error: { name: 'TypeError', message: 'this never works' }, input: [], model: null },
      { status: 'succeeded', error: null, output: { text: expect.any(String) } },
    ])
    expect(totals).toMatchObject({ skipped: 1, failed: 1, succeeded: 1 })
  })

  test('may ask the model more than once, and is shown in order', async () => {
    const app = await toyOver(2, async (tools, id) => {
      await askModel(tools, `${id} the first time`)
      return await askModel(tools, `${id} again`)
    })
    const { items } = await sampled(app, 'toy')
    expect(items.map(({ input }) => input.map(({ prompt }) => prompt))).toEqual([
      [`About user ${userId(1)} the first time.`, `About user ${userId(1)} again.`],
      [`About user ${userId(2)} the first time.`, `About user ${userId(2)} again.`],
    ])
  })

  test('is shown without what cannot be stored of a prompt', async () => {
    const app = await toyOver(1, (tools) => askModel(tools, 'a\0b\ud800c'))
    const { items } = await sampled(app, 'toy')
    expect(items).toMatchObject([{ status: 'succeeded', input: [{ prompt: 'About user a\ufffdb\ufffdc.' }] }])
  })

  test('may make a result that cannot be stored, or that is very large', async () => {
    const app = await toyOver(2, (_, id) =>
      Promise.resolve({ text: id === userId(1) ? 'a\0b' : 'long '.repeat(100_000) }),
    )
    const { items } = await sampled(app, 'toy')
    expect(items).toMatchObject([
      { status: 'failed', error: { message: expect.stringContaining('cannot be stored') } },
      { status: 'succeeded', output: { text: 'long '.repeat(100_000) } },
    ])
  })
})

describe('a kill switch', () => {
  test.for(['toy', 'all'])('of %s lets no sample begin', async (scope) => {
    const app = await toyOver(2, askModel)
    await app.call('PUT', `/api/admin/kill-switches/${scope}`, { on: true })
    const { details } = expectError(await askSample(app, 'toy', {}), conflict)
    expect(details).toEqual({ killSwitch: true })
    expect(await timesAsked()).toBe(0)
    expect(await app.services.db.select().from(samples)).toEqual([])
  })

  test('stops a sample under way; what was being worked on ends, the rest is for later', async () => {
    const worked: string[] = []
    const { promise: isOn, resolve } = Promise.withResolvers<unknown>()
    const app = await toyOver(8, async (tools, id) => {
      worked.push(id)
      if (worked.length === 4) resolve(app.call('PUT', '/api/admin/kill-switches/toy', { on: true }))
      await isOn
      return await askModel(tools, id)
    })
    const key = { 'idempotency-key': 'stopped' }
    const { details } = expectError(await askSample(app, 'toy', { count: 8 }, key), conflict)
    expect(details).toMatchObject({ killSwitch: true, sampleId: expect.any(String) })
    expect(worked).toHaveLength(4)
    const path = `/api/admin/samples/${String(Object(details).sampleId)}`
    expect(sampleParsed((await app.call('GET', path)).body).totals).toMatchObject({
      pending: 4,
      succeeded: 4,
    })

    expectError(await askSample(app, 'toy', { count: 8 }, key), conflict)
    await app.call('PUT', '/api/admin/kill-switches/toy', { on: false })
    const finished = await askSample(app, 'toy', { count: 8 }, key)
    expect(sampleParsed(finished.body).totals).toMatchObject({ pending: 0, succeeded: 8 })
    expect(new Set(worked).size).toBe(8)
    expect(worked).toHaveLength(8)
  })

  test('leaves a sample that is done to be asked for again', async () => {
    const app = await toyOver(1, askModel)
    const made = await sampled(app, 'toy', {}, 'done')
    await app.call('PUT', '/api/admin/kill-switches/all', { on: true })
    expect(await sampled(app, 'toy', {}, 'done')).toEqual(made)
  })
})
