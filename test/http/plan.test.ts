import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { insertUsers, userId } from '../support/population.ts'
import { batchSchema, local, resetEverything, rounds } from '../support/rounds.ts'
import { askModel, defaultPages, toyWorkflow } from '../support/toy.ts'
import { addUser } from '../workflows/records.ts'
import { sampled } from './samples.ts'

beforeEach(resetEverything)

const start = '/api/admin/workflows/toy/batches'

const planSchema = z.object({
  planId: z.uuid(),
  hash: z.string(),
  toProcess: z.number(),
  sample: z.array(z.string()),
  estimates: z.object({
    messages: z.object({ count: z.number(), usd: z.number() }),
    model: z
      .object({ inputTokens: z.number(), outputTokens: z.number(), usd: z.number().nullable() })
      .nullable(),
    durationSeconds: z.number(),
  }),
  assumptions: z.object({ source: z.string(), rate: z.number(), retries: z.number() }),
})

async function planning(users: number, options: Parameters<typeof toyWorkflow>[1] = {}, env = {}) {
  const app = rounds([toyWorkflow(askModel, options)], { FLOW_CONTROL_FACTOR: '1', ...env })
  await insertUsers(app.services.db, users)
  return {
    ...app,
    plan: async (body: Record<string, unknown> = {}) =>
      planSchema.parse((await app.call('POST', start, { dryRun: true, ...body })).body),
  }
}

describe('a plan', () => {
  test.each([
    [0, 2],
    [1, 6],
    [20, 44],
    [21, 48],
    [50, 108],
    [130, 278],
  ])('of %i items estimates the messages that QStash then delivers', async (users, expected) => {
    const app = await planning(users, defaultPages)
    const { estimates, toProcess } = await app.plan()
    expect(toProcess).toBe(users)
    expect(estimates.messages).toEqual({ count: expected, usd: expected / 100_000 })
    await app.start('toy')
    expect((await app.deliver()).length).toBe(expected)
  })

  test('estimates tokens, dollars and time from the definition, and says so', async () => {
    const estimate = { inputTokens: 100, outputTokens: 50, seconds: 4 }
    const prices = { AI_INPUT_USD_PER_MILLION: '1', AI_OUTPUT_USD_PER_MILLION: '4' }
    const app = await planning(100, { estimate }, prices)
    const { estimates, assumptions } = await app.plan()
    expect(assumptions).toMatchObject({ source: 'definition', rate: 5, retries: 0 })
    expect(estimates.model).toEqual({ inputTokens: 10_000, outputTokens: 5000, usd: 0.03 })
    // Ten at a time take four seconds each; two deliveries an item at five a second take as long.
    expect(estimates.durationSeconds).toBe(40)
    expect((await app.plan({ rate: 1 })).estimates.durationSeconds).toBe(200)
    expect((await app.plan({ parallelism: 1, rate: 50 })).estimates.durationSeconds).toBe(400)
  })

  test('estimates from what recent batches used, once there are any', async () => {
    const app = await planning(20, { estimate: { inputTokens: 9999, outputTokens: 9999, seconds: 99 } })
    const { id } = await app.start('toy')
    await app.deliver()
    const { spent } = await app.batch(id)
    const { estimates, assumptions } = await app.plan({ force: true })
    expect(assumptions.source).toBe('recent_batches')
    expect(estimates.model).toEqual({ ...spent, usd: null })
  })

  test('estimates nothing from a batch in which nothing succeeded', async () => {
    const app = await planning(20, { estimate: { inputTokens: 7, outputTokens: 3, seconds: 1 } })
    await local('model', 'faults', { rules: [{ status: 400 }] })
    await app.start('toy')
    await app.deliver()
    const { estimates, assumptions } = await app.plan()
    expect([assumptions.source, estimates.model]).toEqual([
      'definition',
      { inputTokens: 140, outputTokens: 60, usd: null },
    ])
  })

  test('estimates from a batch with a sample what its own items used', async () => {
    const app = await planning(20)
    const { id: sampleId } = await sampled(app, 'toy', { count: 10 })
    const { id } = await app.start('toy', { sampleId })
    await app.deliver()
    const { spent } = await app.batch(id)
    const { estimates } = await app.plan({ force: true })
    expect(estimates.model).toEqual({
      inputTokens: 2 * spent.inputTokens,
      outputTokens: 2 * spent.outputTokens,
      usd: null,
    })
  })

  test('estimates no tokens when nobody knows them', async () => {
    const app = await planning(20)
    const { estimates, assumptions } = await app.plan()
    expect([estimates.model, assumptions.source]).toEqual([null, 'unknown'])
  })

  test('has a hash that is the same for the same items, and another for others', async () => {
    const app = await planning(20)
    const { hash } = await app.plan()
    expect((await app.plan()).hash).toBe(hash)
    expect((await app.plan({ limit: 5 })).hash).not.toBe(hash)
    expect((await app.plan({ force: true })).hash).not.toBe(hash)
    expect((await app.plan({ params: { tag: 'x' } })).hash).not.toBe(hash)
    await addUser(app.services.db, 'zoe')
    expect((await app.plan()).hash).not.toBe(hash)
  })

  test('can be read again', async () => {
    const app = await planning(20)
    const { planId, estimates } = await app.plan()
    expect(await app.call('GET', `/api/admin/plans/${planId}`)).toMatchObject({
      status: 200,
      body: { id: planId, toProcess: 20, estimates },
    })
    expect((await app.call('GET', `/api/admin/plans/${crypto.randomUUID()}`)).status).toBe(404)
  })

  test('is made once for an Idempotency-Key', async () => {
    const app = await planning(20)
    const ask = () => app.call('POST', start, { dryRun: true }, { 'idempotency-key': 'k' })
    expect((await ask()).body).toEqual((await ask()).body)
  })
})

test('a plan that is asked for with a used Idempotency-Key and other options is a 409', async () => {
  const app = await planning(20)
  const ask = (options: object) =>
    app.call('POST', start, { dryRun: true, ...options }, { 'idempotency-key': 'k' })
  expect((await ask({})).status).toBe(200)
  expect((await ask({ limit: 5 })).status).toBe(409)
  expect((await ask({ rate: 1 })).status).toBe(409)
})

describe('a start from a plan', () => {
  test('that is repeated with its Idempotency-Key finds its batch, whatever has become of the population', async () => {
    const app = await planning(20)
    const { planId } = await app.plan()
    const ask = () => app.call('POST', start, { planId }, { 'idempotency-key': 'k' })
    const first = await ask()
    await app.deliver()
    const second = await ask()
    expect([first.status, second.status]).toEqual([201, 200])
    expect(second.body).toMatchObject({ id: batchSchema.parse(first.body).id, status: 'completed' })
  })

  test('does what was planned, with its options', async () => {
    const app = await planning(20)
    const { planId } = await app.plan({ limit: 7, force: true, params: { tag: 'x' } })
    const answer = await app.call('POST', start, { planId, maxDriftPercent: 0 })
    expect(answer).toMatchObject({
      status: 201,
      body: { startPlanId: planId, limit: 7, force: true, params: { tag: 'x' } },
    })
    await app.deliver()
    expect(await app.batch(batchSchema.parse(answer.body).id)).toMatchObject({ counts: { succeeded: 7 } })
  })

  test('is refused when the population has drifted further, with both counts, and nothing is started', async () => {
    const app = await planning(20)
    const { planId } = await app.plan()
    for (const id of ['zoe', 'zac', 'zeb']) await addUser(app.services.db, id)
    const refused = await app.call('POST', start, { planId, maxDriftPercent: 10 })
    expect(refused).toMatchObject({
      status: 409,
      body: { error: { details: { planId, planned: 20, now: 23, driftPercent: 15, maxDriftPercent: 10 } } },
    })
    expect((await app.call('GET', '/api/admin/batches')).body).toMatchObject({ data: [] })
    expect((await app.call('POST', start, { planId, maxDriftPercent: 15 })).status).toBe(201)
  })

  test('wants the very same items unless it says how far they may have drifted', async () => {
    const app = await planning(20)
    const { planId } = await app.plan()
    await app.services.db.execute(`update users set id = 'zoe' where id = '${userId(20)}'`)
    expect(await app.call('POST', start, { planId })).toMatchObject({
      status: 409,
      body: { error: { details: { planned: 20, now: 20, driftPercent: 0 } } },
    })
    expect((await app.call('POST', start, { planId, maxDriftPercent: 1 })).status).toBe(201)
  })

  test('is refused for a drift that its limit would hide', async () => {
    const app = await planning(20)
    const { planId } = await app.plan({ limit: 5 })
    for (const id of ['zoe', 'zac', 'zeb']) await addUser(app.services.db, id)
    expect(await app.call('POST', start, { planId, maxDriftPercent: 10 })).toMatchObject({
      status: 409,
      body: { error: { details: { planned: 20, now: 23, driftPercent: 15 } } },
    })
  })

  test('of nothing is refused when there is something now', async () => {
    const app = await planning(0)
    const { planId } = await app.plan()
    await addUser(app.services.db, 'zoe')
    expect((await app.call('POST', start, { planId, maxDriftPercent: 99 })).status).toBe(409)
  })

  test.each([
    [{ limit: 5 }, 400],
    [{ force: true }, 400],
    [{ params: { tag: 'y' } }, 400],
    [{ dryRun: true }, 400],
    [{ maxDriftPercent: -1 }, 400],
    [{ planId: 'mine' }, 400],
    [{ planId: crypto.randomUUID() }, 404],
  ])('with %j is a %i', async (body, status) => {
    const app = await planning(3)
    const { planId } = await app.plan()
    expect((await app.call('POST', start, { planId, ...body })).status).toBe(status)
  })

  test('of another workflow is a 404, and a drift without a plan a 400', async () => {
    const app = await planning(3)
    const other = rounds([toyWorkflow(askModel), toyWorkflow(askModel, { name: 'toy-two' })])
    const { planId } = await app.plan()
    const otherStart = '/api/admin/workflows/toy-two/batches'
    expect((await other.call('POST', otherStart, { planId })).status).toBe(404)
    expect((await app.call('POST', start, { maxDriftPercent: 3 })).status).toBe(400)
  })
})
