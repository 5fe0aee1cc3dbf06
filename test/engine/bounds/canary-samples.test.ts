import { beforeEach, describe, expect, test } from 'vitest'
import { sampled } from '../../http/samples.ts'
import { userId } from '../../support/population.ts'
import { resetEverything } from '../../support/rounds.ts'
import { canaried, canary } from './canaried.ts'

beforeEach(resetEverything)

describe('a canary', () => {
  test('is judged by what was worked on, not by what a sample had made', async () => {
    const app = await canaried(60, (n) => (n > 20 ? 'fails' : 'ok'))
    const { id: sampleId } = await sampled(app, 'toy', { count: 20 })
    const { id } = await app.start('toy', { sampleId, canary: { items: 10, minSuccessRate: 0.5 } })
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({
      status: 'paused',
      pausedBy: 'canary',
      reason: expect.stringContaining('0 of 10 canary items succeeded and 10 failed'),
      counts: { recorded: 30, succeeded: 20, failed: 10 },
    })
  })

  test('is no larger for a sample of others', async () => {
    const app = await canaried(60, (n) => (n <= 40 ? 'fails' : 'ok'))
    const itemIds = Array.from({ length: 20 }, (_, index) => userId(41 + index))
    const { id: sampleId } = await sampled(app, 'toy', { itemIds })
    app.worked.length = 0
    const { id } = await app.start('toy', { sampleId, canary: { items: 2, minSuccessRate: 1 } })
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({ status: 'paused', pausedBy: 'canary', counts: { failed: 2 } })
    expect(app.worked).toHaveLength(2)
  })

  test('of whom a sample had made every one passes', async () => {
    const app = await canaried(5, () => 'ok')
    const { id: sampleId } = await sampled(app, 'toy', { count: 5 })
    const { id } = await app.start('toy', { sampleId, canary })
    await app.deliver()
    const { body } = await app.call('GET', `/api/admin/batches/${id}`)
    expect(body).toMatchObject({ status: 'completed', canary: { plannedItems: 5, verdict: 'passed' } })
  })
})
