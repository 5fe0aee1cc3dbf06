import { beforeEach, describe, expect, test } from 'vitest'
import { insertUsers } from '../../support/population.ts'
import { resetEverything, rounds } from '../../support/rounds.ts'
import { askModel, toyWorkflow } from '../../support/toy.ts'
import { itemsOf, timesAsked } from '../../workflows/runs.ts'

beforeEach(resetEverything)

const prices = { AI_INPUT_USD_PER_MILLION: '100', AI_OUTPUT_USD_PER_MILLION: '400' }

async function budgeted(users: number, options: Parameters<typeof toyWorkflow>[1] = {}, env = {}) {
  const app = rounds([toyWorkflow(askModel, options)], env)
  await insertUsers(app.services.db, users)
  return app
}

const used = ({ inputTokens, outputTokens }: { inputTokens: number | null; outputTokens: number | null }) =>
  (inputTokens ?? 0) + (outputTokens ?? 0)

describe('a budget in tokens', () => {
  test.each([1, 8])(
    'pauses the batch with %i items at work at once, within the stated overshoot',
    async (concurrency) => {
      const app = await budgeted(40)
      const cap = 1000
      const { id } = await app.start('toy', { budget: { tokens: cap } })
      await app.deliver({ concurrency })

      const batch = await app.batch(id)
      expect(batch).toMatchObject({ status: 'paused', pausedBy: 'budget', counts: { running: 0, failed: 0 } })
      const costs = (await itemsOf(app, id)).map(used)
      const largest = Math.max(...costs)
      expect(used(batch.spent)).toBe(costs.reduce((sum, cost) => sum + cost, 0))
      // Items at work when the cap was reached may use more than was reserved for them, which is the most any had used.
      expect(used(batch.spent)).toBeLessThanOrEqual(cap + (concurrency - 1) * largest)
      expect(used(batch.spent)).toBeGreaterThan(cap - (concurrency + 1) * largest)
    },
  )

  test('with an estimate that no item exceeds is never exceeded at all', async () => {
    const estimate = { inputTokens: 100, outputTokens: 100, seconds: 1 }
    const app = await budgeted(30, { estimate })
    const { id } = await app.start('toy', { budget: { tokens: 1000 } })
    await app.deliver({ concurrency: 8 })
    const batch = await app.batch(id)
    expect(batch).toMatchObject({ status: 'paused', pausedBy: 'budget' })
    expect(used(batch.spent)).toBeLessThanOrEqual(1000)
  })

  test('is used up to one reservation, however much more is reserved for the items at work', async () => {
    const estimate = { inputTokens: 125, outputTokens: 125, seconds: 1 }
    const app = await budgeted(40, { estimate })
    const { id } = await app.start('toy', { budget: { tokens: 1000 } })
    await app.deliver({ concurrency: 8 })
    const batch = await app.batch(id)
    expect(batch).toMatchObject({ status: 'paused', pausedBy: 'budget', counts: { running: 0, failed: 0 } })
    expect(used(batch.spent)).toBeGreaterThan(750)
    expect(used(batch.spent)).toBeLessThanOrEqual(1000)
  })

  test('that is raised lets the batch go on by itself, and each item is paid for once', async () => {
    const app = await budgeted(40)
    const { id } = await app.start('toy', { budget: { tokens: 800 } })
    await app.deliver()
    expect((await app.batch(id)).status).toBe('paused')
    const answer = await app.call('PATCH', `/api/admin/batches/${id}`, { budget: { tokens: 1_000_000 } })
    expect(answer).toMatchObject({ status: 200, body: { status: 'running', pausedBy: null } })
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 40 } })
    expect(await timesAsked()).toBe(40)
  })

  test('that is raised by too little leaves it paused, and resuming says what is in the way', async () => {
    const app = await budgeted(40)
    const { id } = await app.start('toy', { budget: { tokens: 800 } })
    await app.deliver()
    const raised = await app.call('PATCH', `/api/admin/batches/${id}`, { budget: { tokens: 801 } })
    expect(raised).toMatchObject({ status: 200, body: { status: 'paused', budget: { tokens: 801 } } })
    const resumed = await app.call('POST', `/api/admin/batches/${id}/resume`)
    expect(resumed).toMatchObject({ status: 409, body: { error: { details: { budget: { tokens: 801 } } } } })
    await app.call('PATCH', `/api/admin/batches/${id}`, { budget: null })
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 40 } })
  })

  test('too small for one item works on none', async () => {
    const estimate = { inputTokens: 500, outputTokens: 500, seconds: 1 }
    const app = await budgeted(3, { estimate, budget: { tokens: 999 } })
    const { id } = await app.start('toy')
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({ status: 'paused', pausedBy: 'budget', counts: { queued: 3 } })
    expect(await timesAsked()).toBe(0)
  })

  test('counts tries that come to nothing', async () => {
    const app = rounds([
      toyWorkflow(async (tools, id) => {
        await askModel(tools, id)
        throw new Error('in vain')
      }),
    ])
    await insertUsers(app.services.db, 50)
    const { id } = await app.start('toy', { budget: { tokens: 1000 } })
    await app.deliver({ concurrency: 1 })
    const batch = await app.batch(id)
    expect(batch).toMatchObject({ status: 'paused', pausedBy: 'budget' })
    expect(used(batch.spent)).toBeLessThanOrEqual(1000)
    expect(used(batch.spent)).toBeGreaterThan(800)
  })
})

describe('a budget in dollars', () => {
  test('pauses the batch at the configured prices', async () => {
    const app = await budgeted(60, {}, prices)
    const { id } = await app.start('toy', { budget: { usd: 0.1 } })
    await app.deliver({ concurrency: 1 })
    const batch = await app.batch(id)
    expect(batch).toMatchObject({ status: 'paused', pausedBy: 'budget' })
    const { inputTokens, outputTokens, usd } = batch.spent
    expect(usd).toBeCloseTo((inputTokens * 100 + outputTokens * 400) / 1e6, 9)
    expect(usd).toBeLessThanOrEqual(0.1)
    expect(usd).toBeGreaterThan(0.08)
  })

  test('is refused without prices, at a start and later', async () => {
    const app = await budgeted(3)
    const start = await app.call('POST', '/api/admin/workflows/toy/batches', { budget: { usd: 1 } })
    expect(start).toMatchObject({
      status: 400,
      body: { error: { message: expect.stringContaining('AI_INPUT') } },
    })
    const { id } = await app.start('toy')
    const patch = await app.call('PATCH', `/api/admin/batches/${id}`, { budget: { usd: 1 } })
    expect(patch.status).toBe(400)
  })
})

test.each([{}, { tokens: 0 }, { tokens: -1 }, { tokens: 1.5 }, { usd: 0 }, { token: 5 }, 'all of it'])(
  'a budget of %j is refused',
  async (budget) => {
    const app = await budgeted(1)
    const answer = await app.call('POST', '/api/admin/workflows/toy/batches', { budget })
    const details = expect.arrayContaining([
      { path: expect.stringMatching(/^budget/), message: expect.any(String) },
    ])
    expect(answer).toMatchObject({ status: 400, body: { error: { details } } })
  },
)
