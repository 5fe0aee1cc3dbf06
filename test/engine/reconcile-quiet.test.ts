import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { reconcile } from '../../src/engine/reconcile.ts'
import { isItem, type Fate, type PendingDelivery } from '../support/deliveries.ts'
import { userId } from '../support/population.ts'
import { forgetting, isItemOf, isPage, isProcess, qstashSays, reconciling } from '../support/reconciling.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { toyWorkflow } from '../support/toy.ts'

beforeEach(resetEverything)

const statsSchema = z.object({ requestsByRoute: z.record(z.string(), z.int()) })

describe('a batch that needs nothing', () => {
  test.each([0, 1, 6, 12, 19])('after %i items is left as it is', async (items) => {
    const { deliver, worked, tick, heals, now } = await reconciling(20)
    await deliver({ concurrency: 1, until: () => worked.length >= items })
    const before = statsSchema.parse(await qstashSays('/local/stats'))
    await tick()
    const after = statsSchema.parse(await qstashSays('/local/stats'))
    const posts = ({ requestsByRoute }: typeof before) =>
      Object.entries(requestsByRoute).filter(([route]) => !route.startsWith('GET'))
    expect(posts(after)).toEqual(posts(before))
    expect(await heals()).toEqual([])
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 20 } })
    expect(worked.length).toBe(20)
  })

  test('is left alone by ticks that come at any time', async () => {
    const { deliver, worked, tick, now, heals } = await reconciling(20, { maxOutstanding: 8 })
    let deliveries = 0
    const fate = async (): Promise<Fate> => {
      deliveries += 1
      if (deliveries % 5 === 0) await tick({ graceSeconds: 60 })
      return 'normal'
    }
    await deliver({ fate })
    expect(await heals()).toEqual([])
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 20 } })
    expect(worked.length).toBe(20)
  })

  test('is done once also when ticks without any grace meddle all the time', async () => {
    const { deliver, worked, tick, now } = await reconciling(20, { maxOutstanding: 8 })
    let deliveries = 0
    const fate = async (): Promise<Fate> => {
      deliveries += 1
      if (deliveries % 5 === 0) await tick()
      return 'normal'
    }
    await deliver({ fate })
    await tick()
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { recorded: 20, succeeded: 20 } })
    expect(new Set(worked).size).toBe(20)
    expect(worked.length).toBe(20)
  })

  test('waits for room, which it will be told of', async () => {
    const { deliver, worked, tick, services, now } = await reconciling(20, { maxOutstanding: 8 })
    await deliver({ concurrency: 1, until: () => worked.length === 5 })
    const states = async () =>
      (await services.db.execute(sql`select attempt, awaiting_room from batches`)).rows
    const before = await states()
    expect(before).toMatchObject([{ awaiting_room: true }])
    await tick()
    expect(await states()).toEqual(before)
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 20 } })
  })

  test('has ended', async () => {
    const { deliver, tick, heals } = await reconciling(3)
    await deliver()
    await tick()
    expect(await heals()).toEqual([])
  })
})

describe('what is lost', () => {
  test('only just now may not show at QStash yet, and is left for the next tick', async () => {
    const { deliver, tick, heals, services } = await reconciling(3)
    await deliver({ fate: forgetting(isItemOf(userId(2))) })
    await tick({ graceSeconds: 60 })
    expect(await heals()).toEqual([])
    await services.db.execute(sql`update batch_items set queued_at = now() - interval '61 seconds'`)
    await tick({ graceSeconds: 60 })
    expect((await heals()).length).toBe(1)
  })

  test('and is found by two ticks at the same time is healed once', async () => {
    const { deliver, worked, tick, actions, now } = await reconciling(20)
    const lost = new Set([userId(3), userId(10), userId(20)])
    const isLost = (delivery: PendingDelivery) => [...lost].some((id) => isItemOf(id)(delivery))
    await deliver({ fate: forgetting(isLost) })
    await Promise.all([tick(), tick()])
    expect(await actions()).toEqual(['heal.item', 'heal.item', 'heal.item'])
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 20 } })
    expect(worked.length).toBe(20)
  })

  test.each([
    ['layer 1', isProcess, 'heal.start'],
    ['a page', isPage(2), 'heal.page'],
  ])('of %s and is found by two ticks at the same time is healed once', async (_, which, action) => {
    const { deliver, worked, tick, actions, now } = await reconciling(20)
    await deliver({ fate: forgetting(which) })
    await Promise.all([tick(), tick()])
    expect(await actions()).toEqual([action])
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 20 } })
    expect(worked.length).toBe(20)
  })

  test.each(['toy', 'all'])('stays so while the kill switch of %s is on', async (which) => {
    const { deliver, call, tick, heals, now, worked } = await reconciling(3)
    await deliver({ fate: forgetting(isProcess) })
    const turn = (on: boolean) => call('PUT', `/api/admin/kill-switches/${which}`, { on })
    expect(await turn(true)).toMatchObject({ status: 200, body: { on: true } })
    await tick()
    expect(await heals()).toEqual([])
    expect(await deliver()).toEqual([])
    await turn(false)
    await tick()
    await deliver()
    expect(await now()).toMatchObject({ status: 'paused', pausedBy: 'kill_switch' })
    expect(worked.length).toBe(0)
    expect(await call('POST', `/api/admin/batches/${(await now()).id}/resume`)).toMatchObject({ status: 200 })
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 3 } })
    expect(worked.length).toBe(3)
  })

  test('of a batch whose kill switch went on while nobody could pause it is paused with a reason', async () => {
    const { deliver, services, tick, actions, now, worked, call, id } = await reconciling(5)
    await deliver({ concurrency: 1, until: () => worked.length === 2 })
    await services.db.execute(sql`insert into kill_switches (workflow, actor) values ('toy', 'test')`)
    await deliver()
    await tick()
    const counts = { succeeded: 2, queued: 3 }
    const reason = 'the kill switch is on'
    expect(await now()).toMatchObject({ status: 'paused', pausedBy: 'kill_switch', reason, counts })
    await call('PUT', '/api/admin/kill-switches/toy', { on: false })
    await tick()
    expect(await actions()).toEqual([])
    await call('POST', `/api/admin/batches/${id}/resume`)
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 5 } })
  })

  test('of a paused batch is left to whoever resumes it', async () => {
    const { deliver, act, tick, heals, now, worked } = await reconciling(5)
    await deliver({ concurrency: 1, until: () => worked.length === 2 })
    await act('pause')
    await deliver()
    await tick()
    expect(await heals()).toEqual([])
    expect(await now()).toMatchObject({ status: 'paused', counts: { queued: 3 } })
  })

  test('while QStash is down makes the tick fail, changes nothing, and is healed afterwards', async () => {
    const { deliver, cutOff, tick, heals, now, worked } = await reconciling(3)
    await deliver({ fate: forgetting(isItem) })
    await expect(tick({ at: cutOff.services })).rejects.toThrow('1 thing(s) were not reconciled')
    expect(await heals()).toEqual([])
    expect(await now()).toMatchObject({ status: 'running', counts: { queued: 3 } })
    await tick()
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 3 } })
    expect(worked.length).toBe(3)
  })

  test('of one batch is healed though another one has trouble', async () => {
    const { deliver, id, toy, services, heals, worked } = await reconciling(3)
    const other = toyWorkflow(() => Promise.resolve({ text: '' }), { name: 'other' })
    const app = rounds([toy, other])
    const { id: otherId } = await app.start('other')
    await deliver({ fate: forgetting(isProcess) })
    const logs: typeof services.client.logs = async (params) => {
      if (params?.filter?.label === otherId) throw new Error('no logs of this one')
      return await services.client.logs(params)
    }
    const client = Object.assign(Object.create(services.client), { logs })
    await expect(reconcile({ ...services, client }, [other, toy], { graceSeconds: 0 })).rejects.toThrow(
      '1 thing(s)',
    )
    expect(await heals()).toMatchObject([{ action: 'heal.start' }])
    expect(await app.batch(otherId)).toMatchObject({ status: 'starting' })
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({ status: 'completed' })
    expect(worked.length).toBe(3)
  })
})
