import { beforeEach, describe, expect, test } from 'vitest'
import { runTick } from '../../src/cron.ts'
import { killSwitches } from '../../src/db/schema.ts'
import { insertUsers } from '../support/population.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { toyWorkflow } from '../support/toy.ts'
import { changesOf } from './changes.ts'
import { failedBatch } from './failed-batch.ts'
import { killSwitchIsOn, twoWorkflows } from './killed.ts'

beforeEach(resetEverything)

const many = 40

test('a kill switch that goes on while a batch is retried leaves it paused, or still ended', async () => {
  const app = await failedBatch(6)
  for (let round = 0; round < 8; round += 1) {
    const turn = (on: boolean) => app.call('PUT', '/api/admin/kill-switches/toy', { on })
    const [retried] = await Promise.all([app.retry({ all: true }), turn(true)])
    const { status, pausedBy } = await app.batch(app.id)
    expect([200, 409]).toContain(retried.status)
    expect([status, pausedBy]).toEqual(
      retried.status === 200 ? ['paused', 'kill_switch'] : ['completed', null],
    )
    await turn(false)
    await app.call('POST', `/api/admin/batches/${app.id}/resume`)
    await app.deliver()
    expect(await app.batch(app.id)).toMatchObject({ status: 'completed', counts: { failed: 3 } })
  }
})

test('a kill switch that goes on and off holds a batch that has not begun', async () => {
  const { start, deliver, turn, act, batch } = await twoWorkflows(5)
  const { id } = await start('toy')
  expect((await turn(true, 'toy', 'stop')).body).toMatchObject({ pausedBatchIds: [id] })
  await turn(false)
  await deliver()
  expect(await batch(id)).toMatchObject({ status: 'paused', pausedBy: 'kill_switch', reason: 'stop' })
  await act(id, 'resume')
  await deliver()
  expect(await batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 5 } })
})

describe('turning a kill switch on', () => {
  test.for([1, 8, 24])(
    'after %i items lets no further one start, with many deliveries at once',
    async (items) => {
      const { start, deliver, turn, claimed, worked, batch } = await twoWorkflows(many)
      const { id } = await start('toy')
      const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
      const delivering = deliver({
        concurrency: 8,
        fate: () => {
          if (worked.toy.length >= items) begin()
          return 'normal'
        },
      })
      await begun
      const answer = await turn(true, 'toy', 'stop')
      const atAnswer = await claimed()
      expect(answer).toEqual({ status: 200, body: { on: true, isKilled: true, pausedBatchIds: [id] } })
      await delivering
      await deliver({ concurrency: 8 })
      expect(await claimed()).toBe(atAnswer)
      expect(atAnswer).toBeLessThan(many)
      expect(worked.toy).toHaveLength(atAnswer)
      expect(await batch(id)).toMatchObject({
        status: 'paused',
        pausedBy: 'kill_switch',
        reason: 'stop',
        counts: { running: 0, succeeded: atAnswer },
      })
    },
  )

  test('lets what has started finish', async () => {
    const { promise: held, resolve: finish } = Promise.withResolvers<void>()
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    const app = rounds([
      toyWorkflow(async () => {
        begin()
        await held
        return { text: '' }
      }),
    ])
    await insertUsers(app.services.db, 5)
    const { id } = await app.start('toy')
    const delivering = app.deliver({ concurrency: 1 })
    await begun
    await app.call('PUT', '/api/admin/kill-switches/all', { on: true })
    expect(await app.batch(id)).toMatchObject({ status: 'paused', counts: { running: 1 } })
    finish()
    await delivering
    expect(await app.batch(id)).toMatchObject({
      status: 'paused',
      counts: { running: 0, succeeded: 1, queued: 4 },
    })
  })

  test('pauses the running batches of all workflows, and says which', async () => {
    const { start, deliver, turn, batches, claimed, worked } = await twoWorkflows(many)
    const [toy, other] = [await start('toy'), await start('other')]
    await deliver({ concurrency: 1, until: () => worked.toy.length >= 5 })
    const { body } = await turn(true, 'all')
    expect(body).toMatchObject({ on: true })
    expect(new Set(Object(body).pausedBatchIds)).toEqual(new Set([toy.id, other.id]))
    const atAnswer = await claimed()
    await deliver()
    expect(await claimed()).toBe(atAnswer)
    expect(await batches()).toMatchObject([
      { workflow: 'toy', status: 'paused', pausedBy: 'kill_switch' },
      { workflow: 'other', status: 'paused', pausedBy: 'kill_switch' },
    ])
  })

  test('lets nothing start also when it died before it could pause the batch, and can be repeated', async () => {
    const { services, start, deliver, turn, claimed, batch, worked } = await twoWorkflows(many)
    const { id } = await start('toy')
    await deliver({ concurrency: 1, until: () => worked.toy.length >= 5 })
    await services.db.insert(killSwitches).values({ workflow: 'toy', actor: 'ada' })
    const before = await claimed()
    await deliver()
    expect(await claimed()).toBe(before)
    expect((await turn(true)).body).toEqual({ on: true, isKilled: true, pausedBatchIds: [id] })
    expect(await batch(id)).toMatchObject({
      status: 'paused',
      pausedBy: 'kill_switch',
      reason: 'the kill switch is on',
    })
  })

  test('leaves a batch that somebody paused theirs', async () => {
    const { start, deliver, turn, act, batch, worked } = await twoWorkflows(many)
    const { id } = await start('toy')
    await deliver({ concurrency: 1, until: () => worked.toy.length >= 2 })
    await act(id, 'pause', { reason: 'lunch' })
    expect((await turn(true, 'all', 'stop')).body).toEqual({ on: true, isKilled: true, pausedBatchIds: [] })
    expect(await batch(id)).toMatchObject({ status: 'paused', pausedBy: 'operator', reason: 'lunch' })
  })
})

describe('turning it off', () => {
  test('leaves the batch paused until it is resumed, which then finishes it, no item twice', async () => {
    const { start, deliver, turn, act, batch, worked } = await twoWorkflows(many)
    const { id } = await start('toy')
    await deliver({ concurrency: 4, until: () => worked.toy.length >= 10 })
    await turn(true)
    await deliver()
    const atOff = worked.toy.length
    expect(await act(id, 'resume')).toMatchObject(killSwitchIsOn)
    expect((await turn(false)).body).toEqual({ on: false, isKilled: false, pausedBatchIds: [] })
    await deliver()
    expect(worked.toy).toHaveLength(atOff)
    expect(await batch(id)).toMatchObject({ status: 'paused', pausedBy: 'kill_switch' })

    expect((await act(id, 'resume')).body).toMatchObject({ status: 'running', pausedBy: null, reason: null })
    await deliver()
    expect(await batch(id)).toMatchObject({
      status: 'completed',
      counts: { recorded: many, succeeded: many },
    })
    expect(new Set(worked.toy).size).toBe(many)
    expect(worked.toy).toHaveLength(many)
  })

  test('and on again and off, before a run met it, does nothing twice', async () => {
    const { start, deliver, turn, act, batch, worked } = await twoWorkflows(many)
    const { id } = await start('toy')
    await deliver({ concurrency: 1, until: () => worked.toy.length >= 8 })
    for (const on of [true, false, true, false]) await turn(on, 'all')
    await act(id, 'resume')
    await deliver()
    expect(await batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: many } })
    expect(worked.toy).toHaveLength(many)
  })
})

describe('a batch that is still starting', () => {
  test('is planned and then paused, and goes on when it is resumed', async () => {
    const app = await twoWorkflows(3)
    const { start, deliver, turn, act, batch, worked } = app
    const { id } = await start('toy')
    expect((await turn(true)).body).toEqual({ on: true, isKilled: true, pausedBatchIds: [id] })
    await deliver()
    expect(worked.toy).toEqual([])
    expect(await batch(id)).toMatchObject({
      status: 'paused',
      pausedBy: 'kill_switch',
      plan: { toProcess: 3 },
      counts: { recorded: 0 },
    })
    expect((await changesOf(app)).at(-1)).toMatchObject({
      actor: 'rounds',
      action: 'batch.begin',
      after: { status: 'paused', pausedBy: 'kill_switch' },
    })
    expect(await act(id, 'resume')).toMatchObject(killSwitchIsOn)
    await turn(false)
    await act(id, 'resume')
    await deliver()
    expect(await batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 3 } })
  })

  test('completes when there is nothing to do, and can be cancelled', async () => {
    const { start, deliver, turn, act, batch } = await twoWorkflows(0)
    const empty = await start('toy')
    const other = await start('other')
    await turn(true, 'all')
    expect((await act(other.id, 'cancel')).body).toMatchObject({ status: 'cancelled' })
    await deliver()
    expect(await batch(empty.id)).toMatchObject({ status: 'completed', reason: null, pausedBy: null })
  })
})

test('a batch that waits for the active one starts nothing either', async () => {
  const schedule = '1 2 3 4 5'
  const { start, deliver, turn, act, batches, workflows, services, worked } = await twoWorkflows(3, {
    schedule,
    overlap: 'queue',
  })
  const { id } = await start('toy')
  await runTick(services, workflows.slice(0, 1), { cron: schedule, scheduledTime: 1000 })
  expect(await batches()).toMatchObject([{ status: 'starting' }, { status: 'queued' }])
  await turn(true, 'all')
  await act(id, 'cancel')
  await deliver()
  expect(worked.toy).toEqual([])
  expect(await batches()).toMatchObject([
    { status: 'cancelled' },
    { status: 'paused', pausedBy: 'kill_switch' },
  ])
})

test('a limit that is raised meanwhile lets nothing start', async () => {
  const { start, deliver, turn, call, claimed, batch, worked } = await twoWorkflows(many, {
    maxOutstanding: 10,
  })
  const { id } = await start('toy', { budget: { tokens: 1e6 } })
  await deliver({ concurrency: 1, until: () => worked.toy.length >= 3 })
  await turn(true)
  const atAnswer = await claimed()
  const limits = { maxOutstanding: 1000, budget: null }
  expect((await call('PATCH', `/api/admin/batches/${id}`, limits)).body).toMatchObject({ status: 'paused' })
  await deliver()
  expect(await claimed()).toBe(atAnswer)
  expect(await batch(id)).toMatchObject({ status: 'paused', pausedBy: 'kill_switch' })
})
