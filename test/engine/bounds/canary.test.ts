import { beforeEach, describe, expect, test } from 'vitest'
import type { Fate } from '../../support/deliveries.ts'
import { resetEverything } from '../../support/rounds.ts'
import { canaried, canary } from './canaried.ts'

beforeEach(resetEverything)

test('a batch without a canary is judged by none, also after a pause and a resume', async () => {
  const app = await canaried(30, () => 'ok')
  const { id } = await app.start('toy', { maxOutstanding: 10 })
  await app.deliver({ concurrency: 1, until: () => app.worked.length === 10 })
  await app.act(id, 'pause')
  await app.act(id, 'resume')
  await app.deliver()
  expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 30 } })
  const { rows } = await app.services.db.execute('select canary_verdict from batches')
  expect(rows).toEqual([{ canary_verdict: null }])
})

describe('a canary', () => {
  test.each([
    ['of so many items', { items: 10, minSuccessRate: 0.9 }, 10],
    ['of a percentage of the plan', { percent: 25, minSuccessRate: 0.9 }, 6],
    ['larger than a page', { items: 14, minSuccessRate: 1 }, 14],
  ])('%s that succeeds lets the batch go on by itself', async (_, asked, items) => {
    const app = await canaried(24, () => 'ok')
    const { id } = await app.start('toy', { canary: asked })
    await app.deliver({ until: () => app.worked.length >= items })
    const first = new Set(app.worked.slice(0, items))
    expect(Math.max(...first)).toBe(items)
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({
      status: 'completed',
      counts: { recorded: 24, succeeded: 24 },
    })
    const { body } = await app.call('GET', `/api/admin/batches/${id}`)
    expect(body).toMatchObject({ canary: { ...asked, plannedItems: items, verdict: 'passed' } })
  })

  test('holds the batch until its last item has ended', async () => {
    const app = await canaried(20, () => 'ok')
    const { id } = await app.start('toy', { canary })
    await app.deliver({ concurrency: 1, until: () => app.worked.length === 9 })
    expect((await app.batch(id)).counts).toMatchObject({ recorded: 10 })
  })

  test('that fails pauses the batch, with nothing else begun', async () => {
    const app = await canaried(20, (n) => (n % 4 === 0 ? 'fails' : 'ok'))
    const { id } = await app.start('toy', { canary })
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({
      status: 'paused',
      pausedBy: 'canary',
      reason: expect.stringContaining('8 of 10 canary items succeeded and 2 failed'),
      counts: { recorded: 10, succeeded: 8, failed: 2 },
    })
    expect(app.worked.length).toBe(10)
  })

  test('that failed is overruled by a resume', async () => {
    const app = await canaried(20, () => 'fails')
    const { id } = await app.start('toy', { canary })
    await app.deliver()
    app.state.broken = false
    expect((await app.act(id, 'resume')).body).toMatchObject({ canary: { verdict: 'overruled' } })
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { failed: 10, succeeded: 10 } })
  })

  test('that failed is judged again when its failed items are retried first', async () => {
    const app = await canaried(20, () => 'fails')
    const { id } = await app.start('toy', { canary })
    await app.deliver()
    app.state.broken = false
    await app.act(id, 'retry', { all: true })
    expect((await app.act(id, 'resume')).body).toMatchObject({ canary: { verdict: 'pending' } })
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { failed: 0, succeeded: 20 } })
  })

  test('that failed, was retried and fails again pauses again', async () => {
    const app = await canaried(20, () => 'fails')
    const { id } = await app.start('toy', { canary })
    await app.deliver()
    await app.act(id, 'retry', { all: true })
    await app.act(id, 'resume')
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({
      status: 'paused',
      pausedBy: 'canary',
      counts: { recorded: 10, failed: 10 },
    })
    expect(app.worked.length).toBe(20)
  })

  test('does not count items that turned out to need nothing', async () => {
    const app = await canaried(20, (n) => (n <= 5 ? 'skipped' : 'ok'))
    const { id } = await app.start('toy', { canary: { items: 10, minSuccessRate: 1 } })
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { skipped: 5, succeeded: 15 } })
  })

  test('of which every item was skipped shows nothing, and pauses', async () => {
    const app = await canaried(20, () => 'skipped')
    const { id } = await app.start('toy', { canary })
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({
      status: 'paused',
      pausedBy: 'canary',
      counts: { skipped: 10 },
    })
  })

  test('larger than all there is is judged at the end', async () => {
    const app = await canaried(5, () => 'fails')
    const { id } = await app.start('toy', { canary })
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { failed: 5 } })
    const { rows } = await app.services.db.execute('select canary_verdict from batches')
    expect(rows).toEqual([{ canary_verdict: 'failed' }])
  })

  test('over all there is ends the batch', async () => {
    const app = await canaried(7, () => 'ok')
    const { id } = await app.start('toy', { canary })
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 7 } })
  })

  test('goes on after a pause and a resume in the middle of it', async () => {
    const app = await canaried(20, () => 'ok')
    const { id } = await app.start('toy', { canary })
    await app.deliver({ concurrency: 1, until: () => app.worked.length === 4 })
    await app.act(id, 'pause')
    await app.deliver()
    expect((await app.act(id, 'resume')).body).toMatchObject({ canary: { verdict: 'pending' } })
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 20 } })
    expect(app.worked.length).toBe(20)
  })

  test('whose last item ends while the batch is paused lets it go on at the resume', async () => {
    const app = await canaried(20, () => 'ok')
    const { id } = await app.start('toy', { canary: { items: 1, minSuccessRate: 1 } })
    let paused = false
    await app.deliver({
      concurrency: 1,
      async fate({ url }): Promise<Fate> {
        if (!paused && url.endsWith('/execute-user') && app.worked.length === 1) {
          paused = true
          await app.act(id, 'pause')
        }
        return 'normal'
      },
    })
    await app.act(id, 'resume')
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 20 } })
  })

  test('that passed is a change of the batch', async () => {
    const app = await canaried(20, () => 'ok')
    const { id } = await app.start('toy', { canary })
    await app.deliver()
    expect((await app.call('GET', `/api/admin/changes?batchId=${id}`)).body).toMatchObject({
      data: expect.arrayContaining([
        expect.objectContaining({
          action: 'batch.canary',
          actor: 'rounds',
          after: expect.objectContaining({ canaryVerdict: 'passed' }),
        }),
      ]),
    })
  })

  test('stays within the limit and maxOutstanding', async () => {
    const app = await canaried(60, () => 'ok')
    const { id } = await app.start('toy', {
      canary: { items: 30, minSuccessRate: 1 },
      limit: 45,
      maxOutstanding: 7,
    })
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({
      status: 'completed',
      counts: { recorded: 45, succeeded: 45 },
    })
  })
})

test.each([
  {},
  { items: 10 },
  { items: 10, percent: 5, minSuccessRate: 1 },
  { percent: 0, minSuccessRate: 1 },
  { items: 5, minSuccessRate: 1.1 },
])('a canary of %j is refused', async (asked) => {
  const app = await canaried(1, () => 'ok')
  expect((await app.call('POST', '/api/admin/workflows/toy/batches', { canary: asked })).status).toBe(400)
})
