import { beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { giveEvent } from '../../../src/engine/ledger/item-steps/give-event.ts'
import { reconcile } from '../../../src/engine/reconcile.ts'
import {
  isFailureCallback,
  isItem,
  qstash,
  type Fate,
  type PendingDelivery,
} from '../../support/deliveries.ts'
import { startOne } from '../../support/durable.ts'
import { userId } from '../../support/population.ts'
import { durableToy } from '../../support/toy.ts'
import { oneUser, start, type Toy } from './one-user.ts'

beforeEach(oneUser)

test('an event has no say in a sleep or a step of the same name', async () => {
  const acts: string[] = []
  const one = await start(async (_, { step, sleep }) => {
    await sleep('pause', '1 day')
    await sleep('grace', '30 days')
    return {
      text: await step('charge', async () => {
        acts.push('charge')
        return 'ok'
      }),
    }
  })
  await one.runUntilWaiting()
  await one.give('grace', 'a spoof')
  await one.give('charge', 'a spoof')
  await one.later('1 day')
  expect(await one.runUntilWaiting()).toMatchObject({ status: 'waiting', waitingFor: 'grace' })
  expect(acts).toEqual([])
  expect(await one.run()).toMatchObject({ status: 'succeeded' })
  expect(acts).toEqual(['charge'])
})

test('an event that does not fit fails the item, and says so', async () => {
  const one = await start(async (_, { waitForEvent }) => {
    const many = await waitForEvent('many', { data: z.number(), timeout: '1 day' })
    return { text: String(many) }
  })
  await one.give('many', 'not a number')
  const item = await one.run()
  expect(item.status).toBe('failed')
  expect(item.error?.message).toContain('the event many does not fit')
})

test.each([false, true])(
  'an event that does not fit fails the item, which waits for another one when it is tried again (in a pause: %s)',
  async (isPaused) => {
    const one = await start(async (_, { waitForEvent }) => {
      const many = await waitForEvent('many', { data: z.number(), timeout: '1 day' })
      return { text: String(many) }
    })
    await one.runUntilWaiting()
    if (isPaused) await one.act('pause')
    await one.give('many', 'not a number')
    if (isPaused) {
      expect(await one.run()).toMatchObject({ status: 'queued' })
      await one.act('resume')
    }
    expect(await one.run()).toMatchObject({ status: 'failed' })
    await one.act('retry', { all: true })
    expect(await one.runUntilWaiting()).toMatchObject({ status: 'waiting', waitingFor: 'many' })
    await one.give('many', 7)
    expect(await one.run()).toMatchObject({ status: 'succeeded' })
  },
)

test('an event that comes between two copies of the beginning of its wait wakes the item', async () => {
  const one = await start(async (_, { waitForEvent }) => ({
    text: (await waitForEvent('word', { data: z.string(), timeout: '1 day' })) ?? 'none',
  }))
  const kept: PendingDelivery[] = []
  const fate = (delivery: PendingDelivery): Fate => {
    if (isItem(delivery)) kept.push(delivery)
    return 'normal'
  }
  await one.runUntilWaiting({ fate })
  await one.give('word', 'here')
  for (const { url, method, headers, body } of kept) {
    await one.worker(new Request(url, { method, headers, body }))
  }
  expect(await one.run()).toMatchObject({ status: 'succeeded' })
})

test('whoever gives an event hears whether there is such an item; the first one counts', async () => {
  const one = await start(async (_, { waitForEvent }) => ({
    text: (await waitForEvent('word', { data: z.string(), timeout: '1 day' })) ?? 'none',
  }))
  await one.runUntilWaiting()
  expect(await one.give('word', 'first')).toBe(true)
  expect(await one.give('word', 'first')).toBe(true)
  expect(await one.give('word', 'second')).toBe(false)
  expect(await one.run()).toMatchObject({ status: 'succeeded' })
  const read = await one.services.db.execute('select data from results')
  expect(read.rows).toEqual([{ data: { text: 'first' } }])
  expect(await one.give('word', 'third')).toBe(false)
})

test('an event of which QStash was not told wakes the item with the tick', async () => {
  const workflow = durableToy(async (_, { waitForEvent }) => ({
    text: (await waitForEvent('word', { data: z.string(), timeout: '14 days' })) ?? 'none',
  }))
  const one = await startOne(workflow, userId(1))
  await one.runUntilWaiting()
  // Whoever gives it dies before QStash could be told.
  await giveEvent(one.services.db, { workflow: 'toy', itemId: userId(1), event: 'word' }, 'hello', null)
  expect(await one.runUntilWaiting()).toMatchObject({ status: 'waiting' })
  await reconcile(one.services, [workflow], { graceSeconds: 0 })
  expect(await one.runUntilWaiting()).toMatchObject({ status: 'succeeded' })
})

test('an event that is called as the sleep of an item is not waited for', async () => {
  const workflow = durableToy(async (_, { sleep }) => {
    await sleep('nap', '7 days')
    return { text: 'x' }
  })
  const one = await startOne(workflow, userId(1))
  await one.runUntilWaiting()
  const path = `/api/admin/workflows/toy/items/${userId(1)}/events`
  expect(await one.call('POST', `${path}/nap`, { data: 'x' })).toMatchObject({
    status: 200,
    body: { items: [{ waiting: false }] },
  })
  expect(await one.call('POST', `${path}/constructor`, { data: 'x' })).toMatchObject({ status: 200 })
})

const hearing: Toy = async (_, { waitForEvent }) => ({
  text: (await waitForEvent('word', { data: z.string(), timeout: '30 days' })) ?? 'none',
})

test('an item whose run is lost goes on with a tick once it has got its event', async () => {
  const one = await start(hearing)
  const runs = new Set<string>()
  await one.runUntilWaiting({
    fate: (delivery) => {
      if (isItem(delivery)) runs.add(delivery.headers['upstash-workflow-runid'] ?? '')
      return 'normal'
    },
  })
  for (const runId of runs) await qstash('/local/drop', { runId })
  expect(await one.give('word', 'here')).toBe(true)
  await reconcile(one.services, [durableToy(hearing)], { graceSeconds: 0 })
  expect(await one.runUntilWaiting()).toMatchObject({ status: 'succeeded', attempt: 2 })
})

const unreached = (delivery: PendingDelivery): Fate =>
  isItem(delivery) && !isFailureCallback(delivery) ? 'lost' : 'normal'

test('an item that was given an event, and that no delivery has ever reached, has not failed', async () => {
  const one = await start(async (_, { waitForEvent }) => ({
    text: String(await waitForEvent('word', { data: z.string(), timeout: '3 days' })),
  }))
  await one.give('word', 'early')
  expect(await one.run({ fate: unreached, concurrency: 1 })).toMatchObject({ status: 'queued' })
  expect(await one.now()).toMatchObject({ status: 'paused', pausedBy: 'lost_run' })
})
