import { beforeEach, describe, expect, test } from 'vitest'
import { batches, type batchStatuses } from '../../src/db/schema.ts'
import { resumeBatch } from '../../src/engine/ledger/resume-batch.ts'
import { local, resetEverything, rounds } from '../support/rounds.ts'
import { addUser } from '../workflows/records.ts'
import { itemsOf, timesAsked } from '../workflows/runs.ts'
import { pastBatch, queuedBatch, startedBatch } from './batches.ts'
import { conflict, expectError, unavailable } from './error-shape.ts'

beforeEach(resetEverything)

type Rounds = ReturnType<typeof rounds>
type Action = 'pause' | 'resume' | 'cancel'

const act = (app: Rounds, id: string, action: Action) =>
  app.call('POST', `/api/admin/batches/${id}/${action}`)

describe('pausing a batch', () => {
  test('stops it before anyone is worked on, however often it is asked for', async () => {
    const app = rounds()
    const { id } = await queuedBatch(app)
    for (let time = 1; time <= 3; time += 1) {
      const answer = await act(app, id, 'pause')
      expect(answer.status).toBe(200)
      expect(answer.body).toMatchObject({ id, status: 'paused', counts: { recorded: 3, queued: 3 } })
    }
    await app.deliver()
    expect(await timesAsked()).toBe(0)
    expect(await app.batch(id)).toMatchObject({ status: 'paused', counts: { queued: 3, running: 0 } })
  })
})

describe('resuming a batch', () => {
  test('lets it go on to its end, however often it is asked for', async () => {
    const app = rounds()
    const { id } = await queuedBatch(app)
    await act(app, id, 'pause')
    await app.deliver()
    for (let time = 1; time <= 3; time += 1) {
      const answer = await act(app, id, 'resume')
      expect(answer.status).toBe(200)
      expect(answer.body).toMatchObject({ id, status: 'running', reason: null })
    }
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { recorded: 3, succeeded: 3 } })
    expect(await timesAsked()).toBe(3)
  })

  test('answers 503 when QStash does not take the run, and the batch stays paused with the reason', async () => {
    const app = rounds()
    const { id } = await startedBatch(app)
    await act(app, id, 'pause')
    const cutOff = rounds(undefined, { QSTASH_URL: app.services.env.AI_BASE_URL })
    expectError(await act(cutOff, id, 'resume'), unavailable)
    expect(await app.batch(id)).toMatchObject({
      status: 'paused',
      reason: expect.stringContaining('QStash did not take'),
    })
    expect((await act(app, id, 'resume')).status).toBe(200)
    await app.deliver()
    expect((await app.batch(id)).counts).toMatchObject({ recorded: 3, succeeded: 3 })
  })
})

test('a batch that has not begun is paused when it does, and begins to work when it is resumed', async () => {
  const app = rounds()
  for (const id of ['ada', 'bob', 'cleo']) await addUser(app.services.db, id)
  const { id } = await app.start('welcome-placeholder')
  const answer = await act(app, id, 'pause')
  expect(answer).toMatchObject({ status: 200, body: { status: 'starting', pausedBy: 'operator' } })
  await app.deliver()
  expect(await app.batch(id)).toMatchObject({
    status: 'paused',
    pausedBy: 'operator',
    counts: { recorded: 0 },
  })
  expect((await act(app, id, 'resume')).status).toBe(200)
  await app.deliver()
  expect(await app.batch(id)).toMatchObject({ status: 'completed', pausedBy: null, counts: { succeeded: 3 } })
})

test('a pause of a batch that has not begun can be taken back', async () => {
  const app = rounds()
  for (const id of ['ada', 'bob', 'cleo']) await addUser(app.services.db, id)
  const { id } = await app.start('welcome-placeholder')
  await act(app, id, 'pause')
  const answer = await act(app, id, 'resume')
  expect(answer).toMatchObject({ status: 200, body: { status: 'starting', pausedBy: null } })
  await app.deliver()
  expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 3 } })
})

test('a pause of what another had paused says its own reason', async () => {
  const app = rounds()
  const { id } = await startedBatch(app)
  await app.call('PUT', '/api/admin/kill-switches/all', { on: true, reason: 'first' })
  await app.call('PUT', '/api/admin/kill-switches/all', { on: false })
  expect((await act(app, id, 'pause')).body).toMatchObject({ pausedBy: 'operator', reason: null })
})

test('a resume whose Worker died before it could trigger anything is triggered by the same request', async () => {
  const app = rounds()
  const { id } = await startedBatch(app)
  await act(app, id, 'pause')
  await app.deliver()
  const key = `resume:${id}:again`
  await resumeBatch(app.services.db, id, { actor: 'ops', reason: null, key })
  await app.deliver()
  expect(await app.batch(id)).toMatchObject({ status: 'running', counts: { succeeded: 0 } })
  const path = `/api/admin/batches/${id}/resume`
  expect((await app.call('POST', path, {}, { 'idempotency-key': 'again' })).status).toBe(200)
  await app.deliver()
  expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 3 } })
})

describe('cancelling a batch', () => {
  test('ends it with everyone who had not started, however often it is asked for', async () => {
    const app = rounds()
    const { id } = await queuedBatch(app)
    for (let time = 1; time <= 3; time += 1) {
      const answer = await act(app, id, 'cancel')
      expect(answer.status).toBe(200)
      expect(answer.body).toMatchObject({
        status: 'cancelled',
        counts: { recorded: 3, queued: 0, cancelled: 3 },
        endedAt: expect.any(String),
      })
    }
    await app.deliver()
    expect(await timesAsked()).toBe(0)
    expect((await itemsOf(app, id)).map(({ status }) => status)).toEqual([
      'cancelled',
      'cancelled',
      'cancelled',
    ])
  })

  test('works on a batch that has not begun and on one that is paused, and makes room for the next', async () => {
    const app = rounds()
    const starting = await app.start('welcome-placeholder')
    expect((await act(app, starting.id, 'cancel')).body).toMatchObject({ status: 'cancelled' })
    const paused = await startedBatch(app)
    await act(app, paused.id, 'pause')
    expect((await act(app, paused.id, 'cancel')).body).toMatchObject({ status: 'cancelled' })
    expect((await app.start('welcome-placeholder')).status).toBe('starting')
  })
})

type Status = (typeof batchStatuses)[number]

const refused: [action: Action, statuses: Status[]][] = [
  ['pause', ['completed', 'cancelled', 'failed', 'skipped']],
  ['resume', ['starting', 'completed', 'cancelled', 'failed', 'skipped']],
  ['cancel', ['completed', 'failed', 'skipped']],
]

describe.each(refused)('to %s a batch', (action, statuses) => {
  test.for(statuses)('that is %s is refused with that status, and changes nothing', async (status) => {
    const app = rounds()
    const row = pastBatch(1, { status })
    await app.services.db.insert(batches).values(row)
    const before = await app.services.db.select().from(batches)
    const error = expectError(await act(app, row.id, action), conflict)
    expect(error.details).toEqual({ status })
    expect(error.message).toContain(status)
    expect(await app.services.db.select().from(batches)).toEqual(before)
    expect(await app.deliver()).toEqual([])
  })
})

test('a batch of a workflow that this deployment does not have can be stopped, not resumed', async () => {
  const app = rounds()
  const row = pastBatch(1, { workflow: 'retired', status: 'running' })
  await app.services.db.insert(batches).values(row)
  expect((await act(app, row.id, 'pause')).status).toBe(200)
  expect(expectError(await act(app, row.id, 'resume'), conflict).message).toContain('retired')
  expect(await app.batch(row.id)).toMatchObject({ status: 'paused' })
  expect((await act(app, row.id, 'cancel')).status).toBe(200)
  expect(await app.batch(row.id)).toMatchObject({ status: 'cancelled' })
})

test('a model that is down leaves a batch that can be cancelled', async () => {
  const app = rounds()
  await local('model', 'faults', { rules: [{ status: 503 }] })
  const { id } = await queuedBatch(app)
  expect((await act(app, id, 'cancel')).status).toBe(200)
  await app.deliver()
  expect((await app.batch(id)).counts).toMatchObject({ recorded: 3, cancelled: 3, failed: 0 })
})
