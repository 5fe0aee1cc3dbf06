import { expect, test } from 'vitest'
import { eventually, gate, startBench } from './support.ts'

test('stats count deliveries, requests and sizes since the last reset', async () => {
  const bench = await startBench()
  const url = bench.workflow('/counted', async (context) => {
    await context.run('step', () => 'x'.repeat(900))
  })
  const flowControl = { key: 'k', parallelism: 3 }
  await bench.client.trigger([
    { url, label: ['a', 'b'], flowControl, body: 'small' },
    { url, label: 'a', flowControl },
  ])
  await bench.qstash.idle()
  const stats = bench.qstash.stats()
  expect(stats).toMatchObject({
    deliveries: 4,
    deliveriesByUrl: { [url]: 4 },
    deliveriesByLabel: { a: 4, b: 2 },
    requests: 5,
    requestsByRoute: { 'POST /v2/batch': 3, 'DELETE /v2/workflows': 2 },
  })
  expect(stats.largest.published).toBeGreaterThan(900)
  expect(stats.largest.delivered).toBeGreaterThan(1200)
  expect(stats.largestByUrl[url]).toEqual(stats.largest)
  expect(await (await bench.api('/local/stats')).json()).toEqual(stats)
  await bench.api('/local/reset', { method: 'POST' })
  expect(bench.qstash.stats()).toMatchObject({
    deliveries: 0,
    requests: 0,
    deliveriesByUrl: {},
    peakByFlow: {},
  })
  expect(bench.qstash.runs()).toEqual([])
})

test('a reset ends what is under way', async () => {
  const bench = await startBench()
  const { opened, open } = gate()
  const steps: string[] = []
  const url = bench.workflow('/reset', async (context) => {
    await context.run('first', async () => {
      steps.push('first')
      await opened
    })
    await context.run('second', () => steps.push('second'))
  })
  await bench.client.trigger([{ url }, { url, delay: '1h' }])
  await eventually(() => steps).toEqual(['first'])
  bench.qstash.reset()
  open()
  bench.qstash.advance(3_600_000)
  await bench.qstash.idle()
  expect(steps).toEqual(['first'])
  expect(bench.qstash.stats().deliveries).toBe(0)
})

test('waiting for idle gives up after its timeout and may ignore what is delayed', async () => {
  const bench = await startBench()
  const url = bench.workflow('/sleeping', async (context) => {
    await context.sleep('long', '1d')
  })
  const idle = (query: string) => bench.api(`/local/idle?timeoutMs=50${query}`, { method: 'POST' })
  expect((await idle('')).status).toBe(200)
  await bench.client.trigger({ url })
  await bench.qstash.idle({ ignoreDelayed: true })
  expect((await idle('')).status).toBe(408)
  expect((await idle('&ignoreDelayed=true')).status).toBe(200)
})

test('a dropped run leaves no trace', async () => {
  const bench = await startBench()
  const { opened, open } = gate()
  const failures: unknown[] = []
  let started = 0
  const url = bench.workflow(
    '/dropped',
    async (context) => {
      await context.run('step', async () => {
        started++
        await opened
        throw new Error('too late')
      })
    },
    { failureFunction: async () => void failures.push('called') },
  )
  const { workflowRunId } = await bench.client.trigger({ url, retries: 0, label: 'l' })
  await eventually(() => started).toBe(1)
  const body = JSON.stringify({ runId: workflowRunId })
  expect((await bench.api('/local/drop', { method: 'POST', body })).status).toBe(200)
  open()
  await bench.qstash.idle()
  expect(failures).toEqual([])
  expect(bench.qstash.runs()).toEqual([])
  expect((await bench.client.dlq.list()).messages).toEqual([])
  expect(await bench.client.cancel({ filter: { label: 'l' } })).toEqual({ cancelled: 0 })
})

test('closing ends timers and deliveries that are under way', async () => {
  const bench = await startBench()
  const { opened, open } = gate()
  let aborted = false
  bench.app.post('/hanging', async (c) => {
    const abort = new Promise((resolve) => c.req.raw.signal.addEventListener('abort', resolve))
    open()
    await abort
    aborted = true
    return c.text('nobody reads this')
  })
  await bench.qstashClient.publish({ url: `${bench.url}/hanging` })
  await bench.qstashClient.publish({ url: `${bench.url}/later`, delay: '1h' })
  await opened
  await bench.qstash.close()
  await eventually(() => aborted).toBe(true)
})

test('hundreds of runs go through together', async () => {
  const bench = await startBench()
  const url = bench.workflow('/many', async (context) => {
    await context.run('step', () => 'ok')
  })
  const flowControl = { key: 'many', parallelism: 20 }
  await bench.client.trigger(Array.from({ length: 500 }, (_, body) => ({ url, body, flowControl })))
  await bench.qstash.idle()
  expect(bench.qstash.stats()).toMatchObject({ deliveries: 1000, peakByFlow: { many: 20 } })
  expect(bench.qstash.runs({ state: 'RUN_SUCCESS' })).toHaveLength(500)
})
