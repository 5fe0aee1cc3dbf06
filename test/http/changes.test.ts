import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { runTick } from '../../src/cron.ts'
import { registry } from '../../src/workflows/registry.ts'
import { local, resetEverything, rounds } from '../support/rounds.ts'
import { startedBatch } from './batches.ts'
import { bearer } from './bearer.ts'
import { changesOf } from './changes.ts'

beforeEach(resetEverything)

type Rounds = ReturnType<typeof rounds>

const batchOf = async (app: Rounds) => {
  const { id } = await startedBatch(app)
  const act = (action: string, body: unknown = {}) =>
    app.call('POST', `/api/admin/batches/${id}/${action}`, body)
  return { id, act, path: `/api/admin/batches/${id}` }
}

describe('the log of changes', () => {
  test('shows a batch from its start to its end', async () => {
    const app = rounds()
    const { id, act } = await batchOf(app)
    await act('pause', { reason: 'lunch' })
    await act('resume')
    await app.deliver()
    const entries = await changesOf(app)
    expect(entries.map(({ actor, action, reason }) => [actor, action, reason])).toEqual([
      ['ADMIN_TOKEN', 'batch.start', null],
      ['rounds', 'batch.begin', null],
      ['ADMIN_TOKEN', 'batch.pause', 'lunch'],
      ['ADMIN_TOKEN', 'batch.resume', null],
      ['rounds', 'batch.complete', null],
    ])
    for (const entry of entries) expect(entry).toMatchObject({ batchId: id, workflow: 'welcome-placeholder' })
    const statuses = z.object({ status: z.string() })
    expect(entries.slice(1).map(({ before }) => statuses.parse(before).status)).toEqual([
      'starting',
      'running',
      'paused',
      'running',
    ])
    expect(entries.slice(1).map(({ after }) => statuses.parse(after).status)).toEqual([
      'running',
      'paused',
      'running',
      'completed',
    ])
  })

  test('shows what a start asked for', async () => {
    const app = rounds()
    const body = { limit: 7, params: { paidOnly: true }, budget: { tokens: 5000 }, reason: 'try-out' }
    await app.start('welcome-placeholder', body)
    const [entry] = await changesOf(app)
    expect(entry).toMatchObject({
      reason: 'try-out',
      before: null,
      after: { options: { limit: 7, params: { paidOnly: true }, budget: { tokens: 5000 } } },
    })
  })

  test('shows limits before and after, and a budget that lets a batch go on', async () => {
    const app = rounds()
    const { id, path } = await batchOf(app)
    await app.call('PATCH', path, { rate: 3, parallelism: 2, budget: { tokens: 1 }, reason: 'slow' })
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({ status: 'paused' })
    await app.call('PATCH', path, { budget: null, reason: 'all clear' })
    const entries = (await changesOf(app)).slice(2)
    expect(entries).toMatchObject([
      {
        action: 'batch.limits',
        reason: 'slow',
        before: { budget: null },
        after: { rate: 3, parallelism: 2, budget: { tokens: 1 } },
      },
      {
        actor: 'rounds',
        action: 'batch.pause',
        before: { status: 'running' },
        after: { status: 'paused', pausedBy: 'budget' },
      },
      {
        action: 'batch.limits',
        reason: 'all clear',
        before: { status: 'paused', budget: { tokens: 1 } },
        after: { status: 'paused', budget: null },
      },
      { actor: 'ADMIN_TOKEN', action: 'batch.resume', reason: 'all clear', after: { status: 'running' } },
    ])
    expect(entries[0]?.before).not.toMatchObject({ rate: 3 })
  })

  test('shows a retry, the kill switches and the tokens', async () => {
    const app = rounds()
    await local('model', 'faults', { rules: [{ status: 400 }] })
    const { id, act } = await batchOf(app)
    await app.deliver()
    const already = (await changesOf(app)).length
    await act('retry', { all: true, limit: 2, reason: 'the model is back' })
    await app.call('PUT', '/api/admin/kill-switches/all', { on: true, reason: 'stop' })
    await app.call('PUT', '/api/admin/kill-switches/all', { on: false, reason: 'go' })
    await bearer(app, 'ada', 'viewer')
    await app.worker(
      new Request('https://rounds.test/api/admin/tokens/ada', {
        method: 'DELETE',
        headers: { authorization: `Bearer ${app.services.env.ADMIN_TOKEN}` },
        body: JSON.stringify({ reason: 'left' }),
      }),
    )
    expect((await changesOf(app)).slice(already)).toMatchObject([
      {
        action: 'batch.retry',
        batchId: id,
        reason: 'the model is back',
        before: { status: 'completed', failed: 3 },
        after: {
          asked: { filter: { all: true }, limit: 2 },
          retried: 2,
          alreadyDone: 0,
          left: expect.any(Number),
        },
      },
      {
        action: 'kill-switch.on',
        workflow: 'all',
        batchId: null,
        reason: 'stop',
        before: false,
        after: true,
      },
      { action: 'batch.pause', batchId: id, reason: 'stop', after: { pausedBy: 'kill_switch' } },
      { action: 'kill-switch.off', workflow: 'all', batchId: null, reason: 'go', before: true, after: false },
      { action: 'token.create', reason: null, before: null, after: { name: 'ada', role: 'viewer' } },
      { action: 'token.revoke', reason: 'left', before: { name: 'ada', role: 'viewer' }, after: null },
    ])
  })

  test('names `rounds` for what nobody asked for: a cron tick', async () => {
    const app = rounds()
    await runTick(app.services, registry, { cron: '0 3 * * *', scheduledTime: Date.now() })
    expect(await changesOf(app)).toMatchObject([
      { actor: 'rounds', action: 'batch.start', workflow: 'welcome-placeholder' },
    ])
  })

  test('has nothing to say of what changed nothing: dry runs, reads, and what was so already', async () => {
    const app = rounds()
    const { id, act, path } = await batchOf(app)
    const start = '/api/admin/workflows/agent-welcome/batches'
    const key = { 'idempotency-key': 'monday' }
    await app.call('POST', start, {}, key)
    await act('pause')
    await app.call('PUT', '/api/admin/kill-switches/agent-welcome', { on: true })
    const before = await changesOf(app)

    await app.call('POST', '/api/admin/workflows/welcome-placeholder/batches', { dryRun: true })
    expect((await app.call('POST', start, {}, key)).status).toBe(200)
    await act('pause', { reason: 'again' })
    await app.call('PUT', '/api/admin/kill-switches/agent-welcome', { on: true, reason: 'again' })
    await app.call('PUT', '/api/admin/kill-switches/welcome-placeholder', { on: false, reason: 'again' })
    for (const read of [path, `${path}/items`, `${path}/failures`, `${path}/proof`, '/api/admin/plans']) {
      expect((await app.call('GET', read)).status).toBe(200)
    }
    expect(await changesOf(app)).toEqual(before)
    expect((await app.batch(id)).reason).toBeNull()
  })

  test('has one entry when two do the same at the same time', async () => {
    const app = rounds()
    const { act } = await batchOf(app)
    const before = (await changesOf(app)).length
    const answers = await Promise.all([1, 2, 3, 4].map((n) => act('pause', { reason: `number ${n}` })))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200])
    expect(await changesOf(app)).toHaveLength(before + 1)
  })
})
