import { beforeEach, describe, expect, test } from 'vitest'
import { batches, plans } from '../../src/db/schema.ts'
import { batchSchema, resetEverything, rounds } from '../support/rounds.ts'
import { addAgent, addUser } from '../workflows/records.ts'
import { planned, timesAsked } from '../workflows/runs.ts'
import { queuedBatch, startedBatch } from './batches.ts'
import { conflict, expectError, unavailable } from './error-shape.ts'
import { lane } from '../support/lane.ts'

beforeEach(resetEverything)

const start = '/api/admin/workflows/welcome-placeholder/batches'
const key = { 'idempotency-key': 'monday morning' }

describe('starting a batch', () => {
  test('answers 201 with the batch, and QStash has its first run', async () => {
    const app = rounds()
    await addUser(app.services.db, 'ada')
    const answer = await app.call('POST', start, { params: { paidOnly: false }, limit: 7, force: true })

    expect(answer.status).toBe(201)
    const { id } = batchSchema.parse(answer.body)
    expect(answer.body).toMatchObject({
      id,
      workflow: 'welcome-placeholder',
      status: 'starting',
      startedBy: 'api',
      params: { paidOnly: false },
      force: true,
      limit: 7,
      plan: null,
      startedAt: null,
      endedAt: null,
    })
    const [first] = await app.deliver()
    expect(first?.path).toBe('/api/workflows/welcome-placeholder/process-users')
    expect((await app.batch(id)).status).toBe('completed')
  })

  test('answers 409 with the active batch while there is one, whatever its status', async () => {
    const app = rounds()
    const { id } = await startedBatch(app)
    const refused = { activeBatchId: id }
    const whileRunning = expectError(await app.call('POST', start), conflict)
    expect(whileRunning).toMatchObject({ message: expect.stringContaining('running'), details: refused })

    await app.call('POST', `/api/admin/batches/${id}/pause`)
    const whilePaused = expectError(await app.call('POST', start), conflict)
    expect(whilePaused).toMatchObject({ message: expect.stringContaining('paused'), details: refused })
    expect(await app.services.db.select().from(batches)).toHaveLength(1)
  })

  test('answers 201 again once the batch has ended, and for another workflow at any time', async () => {
    const app = rounds()
    await app.start('welcome-placeholder')
    expect((await app.call('POST', '/api/admin/workflows/agent-welcome/batches')).status).toBe(201)
    await app.deliver()
    expect((await app.call('POST', start)).status).toBe(201)
  })
})

describe('an idempotency key', () => {
  test('starts one batch however often it is sent, also after that batch has ended', async () => {
    const app = rounds()
    await addUser(app.services.db, 'ada')
    const first = await app.call('POST', start, {}, key)
    const again = await app.call('POST', start, {}, key)
    expect([first.status, again.status]).toEqual([201, 200])
    expect(again.body).toMatchObject({ id: batchSchema.parse(first.body).id })

    await app.deliver()
    const later = await app.call('POST', start, {}, key)
    expect(later.status).toBe(200)
    expect(later.body).toMatchObject({ id: batchSchema.parse(first.body).id, status: 'completed' })
    expect(await app.deliver()).toEqual([])
    expect(await timesAsked()).toBe(1)
  })

  test('starts one batch when it is sent many times at once', async () => {
    const app = rounds()
    const answers = await Promise.all(
      Array.from({ length: 5 }, async () => await app.call('POST', start, {}, key)),
    )
    const statuses = answers.map(({ status }) => status)
    expect(statuses.toSorted((a, b) => a - b)).toEqual([200, 200, 200, 200, 201])
    expect(new Set(answers.map(({ body }) => batchSchema.parse(body).id)).size).toBe(1)
  })

  test('is good for another try when the first one could not reach QStash', async () => {
    // Whatever listens there, it is no QStash.
    const cutOff = rounds(undefined, { QSTASH_URL: lane.services.model })
    await addUser(cutOff.services.db, 'ada')
    expectError(await cutOff.call('POST', start, {}, key), unavailable)

    const app = rounds()
    const again = await app.call('POST', start, {}, key)
    await app.deliver()
    expect(await app.batch(batchSchema.parse(again.body).id)).toMatchObject({
      status: 'completed',
      counts: { recorded: 1, succeeded: 1 },
    })
  })

  test('is refused for a start with other options', async () => {
    const app = rounds()
    const { body } = await app.call('POST', start, { limit: 5 }, key)
    expect((await app.call('POST', start, { limit: 5 }, key)).status).toBe(200)
    for (const other of [
      { limit: 6 },
      {},
      { limit: 5, force: true },
      { limit: 5, params: { paidOnly: true } },
    ]) {
      const { details } = expectError(await app.call('POST', start, other, key), conflict)
      expect(details).toEqual({ batchId: batchSchema.parse(body).id })
    }
  })

  test('belongs to one workflow', async () => {
    const app = rounds()
    await addAgent(app.services.db, 'guide')
    expect((await app.call('POST', start, {}, key)).status).toBe(201)
    expect((await app.call('POST', '/api/admin/workflows/agent-welcome/batches', {}, key)).status).toBe(201)
  })

  test('does not get past an active batch that another key started', async () => {
    const app = rounds()
    const { id } = await app.start('welcome-placeholder')
    const error = expectError(await app.call('POST', start, {}, key), conflict)
    expect(error.details).toEqual({ activeBatchId: id })
  })
})

describe('a dry run', () => {
  test('answers 200 with the stored plan, and nothing is started or paid', async () => {
    const app = rounds()
    for (const id of ['ada', 'bob', 'cleo']) await addUser(app.services.db, id)
    const answer = await app.call('POST', start, { dryRun: true })

    expect(answer.status).toBe(200)
    const plan = await planned(app, 'welcome-placeholder')
    expect(answer.body).toMatchObject({
      planId: expect.any(String),
      dryRun: true,
      totalEligible: 3,
      alreadyProcessed: 0,
      held: 0,
      toProcess: 3,
      sample: ['ada', 'bob', 'cleo'],
    })
    expect((await app.services.db.select().from(plans)).map(({ id }) => id)).toContain(plan.planId)
    expect(await app.services.db.select().from(batches)).toEqual([])
    expect(await app.deliver()).toEqual([])
    expect(await timesAsked()).toBe(0)
  })

  test('counts no more than the limit, and samples no more than it', async () => {
    const app = rounds()
    for (let n = 10; n < 20; n += 1) await addUser(app.services.db, `user${n}`)
    expect(await planned(app, 'welcome-placeholder')).toMatchObject({
      toProcess: 10,
      sample: ['user10', 'user11', 'user12', 'user13', 'user14'],
    })
    expect(await planned(app, 'welcome-placeholder', { limit: 2 })).toMatchObject({
      totalEligible: 10,
      toProcess: 2,
      sample: ['user10', 'user11'],
    })
  })

  test('is free to look while a batch is active, and says what that batch holds', async () => {
    const app = rounds()
    await queuedBatch(app)
    expect(await planned(app, 'welcome-placeholder')).toMatchObject({ held: 3, toProcess: 0, sample: [] })
  })
})
