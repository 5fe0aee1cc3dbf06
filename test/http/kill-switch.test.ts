import { beforeEach, describe, expect, test } from 'vitest'
import { Client } from '@upstash/qstash'
import { runTick } from '../../src/cron.ts'
import { plans } from '../../src/db/schema.ts'
import { resetEverything } from '../support/rounds.ts'
import { askModel, toyWorkflow } from '../support/toy.ts'
import { deliverThrough } from './batches.ts'
import { bearer } from './bearer.ts'
import { changesOf } from './changes.ts'
import { expectError, invalidRequest, notFound } from './error-shape.ts'
import { killSwitchIsOn, twoWorkflows } from './killed.ts'
import { stateOf } from './state.ts'

beforeEach(resetEverything)

const list = '/api/admin/kill-switches'
const starts = (name: string) => `/api/admin/workflows/${name}/batches`

describe.each(['toy', 'all'])('while the kill switch of %s is on', (name) => {
  test('no start, sample, resume or retry gets through', async () => {
    const { start, deliver, turn, call, act, batches, worked } = await twoWorkflows(3)
    const { id } = await start('toy')
    await deliver()
    await turn(true, name)
    expect(await call('POST', starts('toy'))).toMatchObject(killSwitchIsOn)
    expect(await call('POST', '/api/admin/workflows/toy/samples')).toMatchObject(killSwitchIsOn)
    expect(await act(id, 'retry', { all: true })).toMatchObject(killSwitchIsOn)
    expect(await deliver()).toEqual([])
    expect(worked.toy).toHaveLength(3)
    expect(await batches()).toMatchObject([{ status: 'completed' }])
  })

  test('a paused batch cannot be resumed, and can be cancelled', async () => {
    const app = await twoWorkflows(3)
    const { start, turn, act, batch } = app
    const { id } = await start('toy')
    await deliverThrough(app, '/process-users')
    await turn(true, name)
    expect(await act(id, 'resume')).toMatchObject(killSwitchIsOn)
    expect(await batch(id)).toMatchObject({ status: 'paused', pausedBy: 'kill_switch' })
    expect((await act(id, 'cancel')).body).toMatchObject({ status: 'cancelled', pausedBy: null })
  })

  test('a dry run still plans', async () => {
    const { turn, call, services, deliver } = await twoWorkflows(3)
    await turn(true, name)
    const answer = await call('POST', starts('toy'), { dryRun: true })
    expect(answer).toMatchObject({ status: 200, body: { dryRun: true, toProcess: 3 } })
    expect(await services.db.select().from(plans)).toHaveLength(1)
    expect(await deliver()).toEqual([])
  })

  test('a cron tick is recorded as skipped, with the reason, once', async () => {
    const app = await twoWorkflows(3, { schedule: '1 2 3 4 5' })
    const { turn, services, workflows, batches, deliver } = app
    await turn(true, name)
    const tick = () => runTick(services, workflows.slice(0, 1), { cron: '1 2 3 4 5', scheduledTime: 1000 })
    await tick()
    await tick()
    expect(await deliver()).toEqual([])
    expect(await batches()).toEqual([
      { workflow: 'toy', status: 'skipped', pausedBy: null, reason: 'the kill switch is on' },
    ])
    expect((await changesOf(app)).slice(1)).toMatchObject([
      { actor: 'rounds', action: 'batch.skip', reason: 'the kill switch is on' },
    ])
  })

  test('a plain message starts nothing and is recorded as skipped; one that asks for a plan gets it', async () => {
    const { turn, services, batches, deliver, worked } = await twoWorkflows(3)
    await turn(true, name)
    const { QSTASH_URL: baseUrl, QSTASH_TOKEN: token } = services.env
    const client = new Client({ baseUrl, token })
    const url = 'https://rounds.test/api/workflows/toy/process-users'
    await client.publishJSON({ url, body: {} })
    await client.publishJSON({ url, body: { dryRun: true } })
    await deliver()
    expect(worked.toy).toEqual([])
    expect(await batches()).toMatchObject([{ status: 'skipped', reason: 'the kill switch is on' }])
    expect(await services.db.select().from(plans)).toMatchObject([{ toProcess: 3 }])
  })
})

describe('a kill switch', () => {
  test('of one workflow leaves the others alone', async () => {
    const { start, deliver, turn, batch, worked } = await twoWorkflows(3)
    const other = await start('other')
    expect((await turn(true)).body).toEqual({ on: true, isKilled: true, pausedBatchIds: [] })
    await deliver()
    expect(await batch(other.id)).toMatchObject({ status: 'completed' })
    expect(worked).toMatchObject({ toy: [], other: { length: 3 } })
    expect((await start('other')).status).toBe('starting')
  })

  test('of a workflow is still on when the one for all is turned off, and the other way round', async () => {
    const { turn, call, start } = await twoWorkflows(1)
    await turn(true, 'toy')
    await turn(true, 'all')
    await turn(false, 'all')
    expect(await call('POST', starts('toy'))).toMatchObject(killSwitchIsOn)
    expect((await start('other')).status).toBe('starting')
    await turn(true, 'all')
    await turn(false, 'toy')
    expect(await call('POST', starts('toy'))).toMatchObject(killSwitchIsOn)
    await turn(false, 'all')
    expect((await start('toy')).status).toBe('starting')
  })

  test('shows who turned it on, when and why, until it is off', async () => {
    const app = await twoWorkflows(1)
    const ada = await bearer(app, 'ada', 'operator')
    const answer = await app.call('PUT', `${list}/toy`, { on: true, reason: 'wrong texts' }, ada)
    expect(answer).toEqual({ status: 200, body: { on: true, isKilled: true, pausedBatchIds: [] } })
    const shown = { workflow: 'toy', actor: 'ada', reason: 'wrong texts', at: expect.any(String) }
    expect((await app.call('GET', list)).body).toEqual({ data: [shown] })
    expect((await app.call('GET', '/api/admin/workflows')).body).toMatchObject({
      data: [
        { name: 'toy', killSwitch: shown },
        { name: 'other', killSwitch: null },
      ],
    })
    expect((await app.turn(false)).body).toEqual({ on: false, isKilled: false, pausedBatchIds: [] })
    expect((await app.call('GET', list)).body).toEqual({ data: [] })
  })

  test('that is on already stays as it was, and so does one that is off', async () => {
    const { turn, call, services } = await twoWorkflows(1)
    await turn(true, 'toy', 'the first')
    const before = await stateOf(services.db)
    const repeated = await Promise.all([1, 2, 3].map((n) => turn(true, 'toy', `number ${n}`)))
    expect(repeated.map(({ status }) => status)).toEqual([200, 200, 200])
    await turn(false, 'all')
    await turn(false, 'other')
    expect(await stateOf(services.db)).toEqual(before)
    expect((await call('GET', list)).body).toMatchObject({ data: [{ reason: 'the first' }] })
  })

  test('turned on by many at once is logged once', async () => {
    const app = await twoWorkflows(1)
    await Promise.all([1, 2, 3, 4, 5].map((n) => app.turn(true, 'toy', `number ${n}`)))
    expect(await changesOf(app)).toMatchObject([{ action: 'kill-switch.on' }])
  })

  test.for(['no-such-workflow', '*', 'ALL', 'toString', 'toy%20'])('is a 404 for %s', async (name) => {
    const { turn, services } = await twoWorkflows(1)
    const before = await stateOf(services.db)
    for (const on of [true, false]) expectError(await turn(on, name), notFound)
    expect(await stateOf(services.db)).toEqual(before)
  })

  test.for([{}, { on: 'true' }, { on: 1 }, { on: true, off: false }, { on: true, reason: '' }, [true]])(
    'is not turned by %j',
    async (body) => {
      const { call, services } = await twoWorkflows(1)
      const before = await stateOf(services.db)
      expectError(await call('PUT', `${list}/all`, body), invalidRequest)
      expect(await stateOf(services.db)).toEqual(before)
    },
  )
})

test('no workflow may be called what stands for all of them', () => {
  expect(() => toyWorkflow(askModel, { name: 'all' })).toThrow('stands for every workflow')
  expect(toyWorkflow(askModel, { name: 'all-users' }).name).toBe('all-users')
})
