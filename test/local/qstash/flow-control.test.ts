import { expect, test } from 'vitest'
import { eventually, gate, startBench } from './support.ts'

const five = [1, 2, 3, 4, 5]

test('parallelism bounds the deliveries in flight of a key', async () => {
  const { workflow, client, qstash } = await startBench()
  let running = 0
  let most = 0
  const url = workflow('/narrow', async (context) => {
    await context.run('step', async () => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setTimeout(resolve, 30))
      running--
    })
  })
  await client.trigger(five.map(() => ({ url, flowControl: { key: 'narrow', parallelism: 2 } })))
  await qstash.idle()
  expect(most).toBe(2)
  expect(qstash.stats().peakByFlow).toEqual({ narrow: 2 })
})

test('rate bounds the starts in a period, for every delivery of a run', async () => {
  const { workflow, client, qstash } = await startBench()
  const url = workflow('/slow', async (context) => {
    await context.run('step', () => 'ok')
  })
  const flowControl = { key: 'slow', rate: 4, period: '1h' } as const
  await client.trigger(five.map(() => ({ url, flowControl })))
  for (const total of [4, 8, 10]) {
    await eventually(() => qstash.stats().deliveries).toBe(total)
    qstash.advance(3_600_000)
  }
  await qstash.idle()
  expect(qstash.stats().deliveries).toBe(10)
})

test('the newest limits of a key win', async () => {
  const { workflow, client, qstash, qstashClient } = await startBench()
  const url = workflow('/newest', async (context) => {
    await context.run('step', () => 'ok')
  })
  await client.trigger({ url, flowControl: { key: 'k', parallelism: 1 } })
  await client.trigger({ url, flowControl: { key: 'k', parallelism: 7, rate: 20, period: '1m' } })
  await qstash.idle()
  expect(await qstashClient.flowControl.get('k')).toMatchObject({
    flowControlKey: 'k',
    parallelismMax: 7,
    rateMax: 20,
    ratePeriod: 60,
  })
})

test('a paused key keeps its messages until it is resumed', async () => {
  const { workflow, client, qstash, qstashClient } = await startBench()
  const url = workflow('/paused', async (context) => {
    await context.run('step', () => 'ok')
  })
  await qstashClient.flowControl.pause('p')
  await client.trigger({ url, flowControl: { key: 'p', parallelism: 1 } })
  expect(await qstashClient.flowControl.get('p')).toMatchObject({ isPaused: true, waitListSize: 1 })
  expect(qstash.stats().deliveries).toBe(0)
  await qstashClient.flowControl.resume('p')
  await qstash.idle()
  expect(qstash.stats().deliveries).toBe(2)
})

test('pinned limits overrule those of the messages until they are unpinned', async () => {
  const { workflow, client, qstash, qstashClient } = await startBench()
  const { opened, open } = gate()
  const url = workflow('/pinned', async (context) => {
    await context.run('step', () => opened)
  })
  await qstashClient.flowControl.pin('p', { parallelism: 1 })
  await client.trigger(five.map(() => ({ url, flowControl: { key: 'p', parallelism: 5 } })))
  await eventually(() => qstash.stats().deliveries).toBe(1)
  const pinned = { parallelismMax: 1, isPinnedParallelism: true, isPinnedRate: false, waitListSize: 4 }
  expect(await qstashClient.flowControl.get('p')).toMatchObject(pinned)
  await qstashClient.flowControl.unpin('p', { parallelism: true })
  await eventually(() => qstash.stats().deliveries).toBe(5)
  open()
  await qstash.idle()
})

test('resetting the rate starts a new period', async () => {
  const { workflow, client, qstash, qstashClient } = await startBench()
  const url = workflow('/reset', async (context) => {
    await context.run('step', () => 'ok')
  })
  await client.trigger({ url, flowControl: { key: 'r', rate: 1, period: '1d' } })
  await eventually(() => qstash.stats().deliveries).toBe(1)
  await eventually(async () => (await qstashClient.flowControl.get('r')).waitListSize).toBe(1)
  await qstashClient.flowControl.resetRate('r')
  await qstash.idle()
  expect(qstash.stats().deliveries).toBe(2)
})

test('the plan-wide parallelism bounds all keys together', async () => {
  const { workflow, client, qstash, qstashClient } = await startBench({ parallelism: 3 })
  const { opened, open } = gate()
  const url = workflow('/wide', async (context) => {
    await context.run('step', () => opened)
  })
  await client.trigger(five.map((n) => ({ url, flowControl: { key: `k${n}`, parallelism: 9 } })))
  await eventually(() => qstash.stats().deliveries).toBe(3)
  expect(await qstashClient.flowControl.getGlobalParallelism()).toEqual({
    parallelismMax: 3,
    parallelismCount: 3,
  })
  open()
  await qstash.idle()
})

test('starts without a rate do not count against a later one', async () => {
  const { workflow, client, qstash } = await startBench()
  const url = workflow('/later', async (context) => {
    await context.run('step', () => 'ok')
  })
  await client.trigger(five.map(() => ({ url, flowControl: { key: 'k', parallelism: 9 } })))
  await qstash.idle()
  await client.trigger({ url, flowControl: { key: 'k', rate: 2, period: '1h' } })
  await qstash.idle()
  expect(qstash.stats().deliveries).toBe(12)
})
