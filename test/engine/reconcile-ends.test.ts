import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { runTick } from '../../src/cron.ts'
import { reconcile, reconcileCron } from '../../src/engine/reconcile.ts'
import type { PendingDelivery } from '../support/deliveries.ts'
import { insertUsers, userId } from '../support/population.ts'
import { forgetting, healsOf, isItemOf, isProcess, reconciling, silencing } from '../support/reconciling.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { toyWorkflow } from '../support/toy.ts'

beforeEach(resetEverything)

const refuse = () => Promise.reject(new Error('not today'))

describe('an item that a cancelled batch left behind', () => {
  test('with a dead worker and no run is ended as cancelled, once that worker is dead', async () => {
    const { deliver, die, act, tick, heals, now, services, start, batch } = await reconciling(3)
    await deliver({ fate: forgetting(isItemOf(userId(2)), (delivery) => die(delivery, 3600)) })
    await act('cancel')
    await tick()
    expect(await now()).toMatchObject({ status: 'cancelled', counts: { running: 1, succeeded: 2 } })
    expect(await heals()).toEqual([])

    await services.db.execute(sql`update batch_items set lease_until = now() where status = 'running'`)
    await Promise.all([tick(), tick()])
    await tick()
    expect(await now()).toMatchObject({
      status: 'cancelled',
      counts: { recorded: 3, succeeded: 2, cancelled: 1, running: 0 },
    })
    expect(await heals()).toMatchObject([
      { action: 'heal.cancelled-item', actor: 'rounds', after: { itemId: userId(2), attempt: 1 } },
    ])
    const next = await start('toy')
    await deliver()
    expect(await batch(next.id)).toMatchObject({ status: 'completed', counts: { recorded: 1, succeeded: 1 } })
  })

  test('with a run that failed, which nobody was told, is ended as cancelled', async () => {
    const { deliver, die, act, tick, heals, now, services } = await reconciling(1)
    const meanwhile = async (delivery: PendingDelivery) => {
      await die(delivery, 3600)
      await act('cancel')
    }
    await deliver({ fate: silencing(isItemOf(userId(1)), meanwhile) })
    await services.db.execute(sql`update batch_items set lease_until = now()`)
    await tick()
    expect((await heals()).map(({ action }) => action)).toEqual(['heal.cancelled-item'])
    expect(await now()).toMatchObject({ counts: { recorded: 1, cancelled: 1, running: 0, failed: 0 } })
  })

  test('whose run is alive is left to that run', async () => {
    const { deliver, die, act, tick, heals, now, services } = await reconciling(1)
    let died = false
    await deliver({
      concurrency: 1,
      until: () => died,
      async fate(delivery) {
        if (!delivery.url.endsWith('/execute-user')) return 'normal'
        await die(delivery, 3600)
        died = true
        return 'lost'
      },
    })
    await act('cancel')
    await services.db.execute(sql`update batch_items set lease_until = now()`)
    await tick()
    expect(await heals()).toEqual([])
    await deliver()
    expect(await now()).toMatchObject({ counts: { recorded: 1, cancelled: 1, running: 0 } })
  })
})

/** A workflow whose queued batch waits for nobody: the active one was ended by somebody who then died. */
async function leftQueued() {
  const worked: string[] = []
  const workflow = (overlap: 'queue' | 'skip') =>
    toyWorkflow(
      (_, id) => {
        worked.push(id)
        return Promise.resolve({ text: '' })
      },
      { schedule: '0 3 * * *', overlap },
    )
  const app = rounds([workflow('queue')])
  await insertUsers(app.services.db, 2)
  const first = await app.start('toy')
  await runTick(app.services, [workflow('queue')], { cron: '0 3 * * *', scheduledTime: 1000 })
  // A deployment without the workflow can end the batch, but cannot start another.
  await rounds([]).call('POST', `/api/admin/batches/${first.id}/cancel`)
  const { rows } = await app.services.db.execute(sql`select id from batches where status = 'queued'`)
  return { ...app, workflow, worked, id: String(rows[0]?.id) }
}

describe('a queued batch that waits for nobody', () => {
  test.each(['queue', 'skip'] as const)('is started when the definition says %s', async (overlap) => {
    const { services, workflow, deliver, batch, id, worked, ...app } = await leftQueued()
    await reconcile(services, [workflow(overlap)], { graceSeconds: 60 })
    expect(await batch(id)).toMatchObject({ status: 'queued' })
    const tick = () => reconcile(services, [workflow(overlap)], { graceSeconds: 0 })
    await Promise.all([tick(), tick()])
    await tick()
    expect(await healsOf(app, id)).toMatchObject([{ action: 'heal.start', actor: 'rounds' }])
    await deliver()
    expect(await batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 2 } })
    expect(worked.length).toBe(2)
  })

  test('is not started while the kill switch is on', async () => {
    const { services, workflow, call, batch, id } = await leftQueued()
    await call('PUT', '/api/admin/kill-switches/toy', { on: true })
    await reconcile(services, [workflow('queue')], { graceSeconds: 0 })
    expect(await batch(id)).toMatchObject({ status: 'queued' })
  })

  test('is not lost when QStash cannot be told', async () => {
    const { services, workflow, deliver, batch, id, worked } = await leftQueued()
    const client = Object.assign(Object.create(services.client), { trigger: refuse })
    const tick = (at = services) => reconcile(at, [workflow('queue')], { graceSeconds: 0 })
    await expect(tick({ ...services, client })).rejects.toThrow('not reconciled')
    expect(await batch(id)).toMatchObject({ status: 'starting' })
    await tick()
    await deliver()
    expect(await batch(id)).toMatchObject({ status: 'completed' })
    expect(worked.length).toBe(2)
  })

  test('goes on waiting for an active one', async () => {
    const { reconciledWith, list } = await waitingForActive()
    await reconciledWith()
    expect(await list()).toEqual(['running', 'queued'])
  })
})

async function waitingForActive() {
  const workflow = toyWorkflow(() => Promise.resolve({ text: '' }), {
    schedule: '0 3 * * *',
    overlap: 'queue',
  })
  const app = rounds([workflow])
  await insertUsers(app.services.db, 2)
  await app.start('toy')
  await runTick(app.services, [workflow], { cron: '0 3 * * *', scheduledTime: 1000 })
  let planned = false
  await app.deliver({
    concurrency: 1,
    until: () => planned,
    fate: (delivery) => {
      planned = isProcess(delivery)
      return 'normal'
    },
  })
  return {
    reconciledWith: () => reconcile(app.services, [workflow], { graceSeconds: 0 }),
    list: async () => {
      const { rows } = await app.services.db.execute(sql`select status from batches order by id`)
      return rows.map(({ status }) => status)
    },
  }
}

describe('the cron tick', () => {
  const age = sql`update batches set created_at = now() - interval '5 minutes'`
  const ageChanges = sql`update changes set at = now() - interval '5 minutes'`

  test('that reconciles heals what is lost, but not what may only be new', async () => {
    const { deliver, services, toy, heals, now } = await reconciling(3)
    await deliver({ fate: forgetting(isProcess) })
    const tick = (cron: string) => runTick(services, [toy], { cron, scheduledTime: 1000 })
    await tick(reconcileCron)
    expect(await heals()).toEqual([])
    await services.db.execute(age)
    await services.db.execute(ageChanges)
    await tick('0 3 * * *')
    expect(await heals()).toEqual([])
    await tick(reconcileCron)
    expect(await heals()).toMatchObject([{ action: 'heal.start' }])
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed' })
  })

  test('also starts a workflow of that schedule, and fails when either does', async () => {
    const workflow = toyWorkflow(() => Promise.resolve({ text: '' }), { schedule: reconcileCron })
    const app = rounds([workflow])
    await insertUsers(app.services.db, 1)
    const tick = (scheduledTime: number, client = app.services.client) =>
      runTick({ ...app.services, client }, [workflow], { cron: reconcileCron, scheduledTime })
    await tick(1000)
    expect((await app.deliver()).length).toBeGreaterThan(0)

    await tick(2000)
    await app.services.db.execute(age)
    await app.services.db.execute(ageChanges)
    const client = Object.assign(Object.create(app.services.client), { logs: refuse })
    await expect(tick(3000, client)).rejects.toThrow('1 thing(s) were not reconciled')
    const { rows } = await app.services.db.execute(sql`select status from batches order by id`)
    expect(rows.map(({ status }) => status)).toEqual(['completed', 'starting', 'skipped'])
  })
})
