import { beforeEach, expect, test } from 'vitest'
import { insertUsers } from '../../support/population.ts'
import { local, resetEverything, rounds } from '../../support/rounds.ts'
import { itemsOf, timesAsked } from '../../workflows/runs.ts'

beforeEach(resetEverything)

const workflow = 'welcome-placeholder'

test(
  'a model that fails 30 % of calls trips a breaker at 10 %; when it has recovered, all succeed, and nothing stored is made again',
  { timeout: 90_000 },
  async () => {
    const app = rounds()
    await insertUsers(app.services.db, 150)
    await local('model', 'faults', { rules: [{ share: 0.3, status: 500 }] })
    const { id } = await app.start(workflow, { tolerate: { percent: 10, window: 100 } })
    await app.deliver()
    const paused = await app.batch(id)
    expect(paused).toMatchObject({
      status: 'paused',
      pausedBy: 'breaker',
      reason: expect.stringContaining('500'),
    })
    expect(paused.counts.succeeded).toBeGreaterThan(0)
    expect(paused.counts.succeeded).toBeLessThan(100)
    const wasted = (await timesAsked()) - paused.counts.succeeded

    await local('model', 'faults', { rules: [] })
    const act = (action: string, body: unknown) =>
      app.call('POST', `/api/admin/batches/${id}/${action}`, body)
    expect((await act('resume', { reason: 'the model is back' })).status).toBe(200)
    await app.deliver()
    expect((await act('retry', { all: true })).status).toBe(200)
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({
      status: 'completed',
      counts: { recorded: 150, succeeded: 150, failed: 0 },
    })
    // One call for each item, beside those that had come to nothing.
    expect(await timesAsked()).toBe(150 + wasted)
    expect(await app.call('GET', `/api/admin/batches/${id}/proof`)).toMatchObject({
      body: { balanced: true },
    })
  },
)

test('a budget of 6,000 tokens pauses within the stated overshoot, and raising it resumes', async () => {
  const app = rounds()
  await insertUsers(app.services.db, 60)
  const { id } = await app.start(workflow, { budget: { tokens: 6_000 } })
  const atWork = 8
  await app.deliver({ concurrency: atWork })
  const { spent, ...paused } = await app.batch(id)
  expect(paused).toMatchObject({ status: 'paused', pausedBy: 'budget' })
  const total = spent.inputTokens + spent.outputTokens
  const costs = (await itemsOf(app, id)).map((item) => (item.inputTokens ?? 0) + (item.outputTokens ?? 0))
  expect(total).toBe(costs.reduce((sum, cost) => sum + cost, 0))
  // The definition's estimate is reserved for each item until one has used more.
  const beyondReserved = Math.max(0, Math.max(...costs) - 550)
  expect(total).toBeLessThanOrEqual(6_000 + atWork * beyondReserved)
  expect(total).toBeGreaterThan(2000)

  await app.call('PATCH', `/api/admin/batches/${id}`, { budget: { tokens: 10_000_000 } })
  await app.deliver()
  expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 60 } })
  expect(await timesAsked()).toBe(60)
})
