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
  await bench.client.trigger(Array.from({ length: 200 }, (_, body) => ({ url, body, flowControl })))
  await bench.qstash.idle()
  expect(bench.qstash.stats()).toMatchObject({ deliveries: 400, peakByFlow: { many: 20 } })
  expect(bench.qstash.runs({ state: 'RUN_SUCCESS' })).toHaveLength(200)
})

/** Starts runs that wait for an event that never comes. */
async function waitingRuns() {
  const bench = await startBench()
  const url = bench.workflow('/waiting', async (context) => {
    await context.waitForEvent('wait', 'never')
  })
  await bench.client.trigger([{ url }, { url }, { url }])
  await bench.qstash.idle({ ignoreDelayed: true })
  return { ...bench, left: () => bench.qstash.runs({ state: 'RUN_STARTED' }).length }
}

test('all runs are cancelled when that is asked for', async () => {
  const { client, left } = await waitingRuns()
  expect(await client.cancel({ all: true })).toEqual({ cancelled: 3 })
  expect(left()).toBe(0)
})

test('cancelling with an unknown filter or with none is refused', async () => {
  const { api, left } = await waitingRuns()
  for (const query of ['', '?lable=red&count=100']) {
    const answer = await api(`/v2/workflows/runs${query}`, { method: 'DELETE' })
    expect(answer.status).toBe(400)
  }
  expect(left()).toBe(3)
})

test('all dead letters are restarted page by page, or deleted, when that is asked for', async () => {
  const { workflow, client, qstash } = await startBench()
  const url = workflow('/failing', async (context) => {
    await context.run('step', () => {
      throw new Error('broken')
    })
  })
  await client.trigger([1, 2, 3].map(() => ({ url, retries: 0 })))
  await qstash.idle()
  const first = await client.dlq.restart({ all: true, count: 2 })
  expect([first.workflowRuns.length, first.cursor]).toEqual([2, expect.any(String)])
  const second = await client.dlq.restart({ all: true, cursor: first.cursor ?? '' })
  expect([second.workflowRuns.length, second.cursor]).toEqual([1, undefined])
  await qstash.idle()
  expect(await client.dlq.delete({ all: true })).toMatchObject({ deleted: 3 })
})

test('a redirect is not followed and counts as a failure', async () => {
  const { app, url, client, qstash } = await startBench()
  let followed = 0
  app.post('/moved', (c) => c.redirect('/elsewhere', 307))
  app.post('/elsewhere', (c) => {
    followed++
    return c.text('fine', 200, { 'Upstash-Workflow-Sdk-Version': '1' })
  })
  await client.trigger({ url: `${url}/moved`, retries: 0 })
  await qstash.idle()
  expect(followed).toBe(0)
  expect(qstash.runs()[0]?.workflowState).toBe('RUN_FAILED')
})

test('an endpoint that cannot be reached is a failed attempt', async () => {
  const { client, qstash } = await startBench({ timeScale: 0.0001 })
  const url = 'http://127.0.0.1:9/closed'
  await client.trigger({ url, retries: 2 })
  await qstash.idle()
  // three attempts of the run, three of its failure callback
  expect(qstash.stats().deliveriesByUrl).toEqual({ [url]: 6 })
  expect(qstash.runs().map((run) => run.workflowState)).toEqual(['RUN_FAILED'])
})

test('starts without a rate do not count against a later one', async () => {
  const { workflow, client, qstash } = await startBench()
  const url = workflow('/later', async (context) => {
    await context.run('step', () => 'ok')
  })
  await client.trigger([1, 2, 3, 4, 5].map(() => ({ url, flowControl: { key: 'k', parallelism: 9 } })))
  await qstash.idle()
  await client.trigger({ url, flowControl: { key: 'k', rate: 2, period: '1h' } })
  await qstash.idle()
  expect(qstash.stats().deliveries).toBe(12)
})
