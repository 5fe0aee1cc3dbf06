import { expect, test } from 'vitest'
import { startBench } from './support.ts'

test('a plain request to the endpoint starts a run', async () => {
  const bench = await startBench()
  const seen: unknown[] = []
  const url = bench.workflow('/plain', async (context) => {
    await context.run('step', () => 1)
    seen.push([context.requestPayload, context.headers.get('x-user')])
  })
  await bench.qstashClient.publishJSON({ url, body: { n: 1 }, headers: { 'x-user': 'u1' } })
  await bench.qstash.idle()
  expect(seen).toEqual([[{ n: 1 }, 'u1']])
  // the plain message, then init and the step
  expect(bench.qstash.stats().deliveries).toBe(3)
})

test('the REST interface starts a run without an extra delivery', async () => {
  const bench = await startBench()
  const seen: unknown[] = []
  const url = bench.workflow('/rest', async (context) => {
    await context.run('step', () => 1)
    seen.push([context.requestPayload, context.headers.get('x-user'), context.labels])
  })
  const answer = await bench.api(`/v2/trigger/${url}`, {
    method: 'POST',
    body: '{"n":1}',
    headers: { 'upstash-forward-x-user': 'u1', 'upstash-label': 'l', 'upstash-workflow-runid': 'wfr_rest' },
  })
  expect(await answer.json()).toMatchObject({
    workflowRunId: 'wfr_rest',
    workflowCreatedAt: expect.any(Number),
  })
  await bench.qstash.idle()
  expect(seen).toEqual([[{ n: 1 }, 'u1', ['l']]])
  expect(bench.qstash.stats().deliveries).toBe(2)
})

test('the REST interface takes a batch', async () => {
  const bench = await startBench()
  const url = bench.workflow('/rest', async (context) => void (await context.run('step', () => 1)))
  const body = JSON.stringify([{ destination: url }, { destination: url, body: 'x' }])
  const answer = await bench.api('/v2/batch/trigger', { method: 'POST', body })
  expect(answer.status).toBe(201)
  await bench.qstash.idle()
  expect(bench.qstash.runs({ state: 'RUN_SUCCESS' })).toHaveLength(2)
})

test('a REST run against an endpoint that does not name its SDK version fails', async () => {
  const bench = await startBench()
  bench.app.post('/old', (c) => c.text('ok', 200, { 'Upstash-Workflow-Sdk-Version': '1' }))
  await bench.api(`/v2/trigger/${bench.url}/old`, { method: 'POST' })
  await bench.qstash.idle()
  const [run] = bench.qstash.runs()
  const [error] = run?.steps.at(-1)?.steps[0]?.errors ?? []
  expect(error?.error).toContain('only usable with sdk versions after v1.0.0')
})

test('an unknown SDK makes one extra delivery and keeps run and failure callback', async () => {
  const bench = await startBench()
  const failed: unknown[] = []
  let runs = 0
  const url = bench.workflow(
    '/unknown',
    async (context) => {
      await context.run('step', () => {
        runs++
        throw new Error('no')
      })
    },
    { failureFunction: async ({ context }) => void failed.push(context.requestPayload) },
  )
  await bench.api(`/v2/trigger/${url}`, {
    method: 'POST',
    body: 'payload',
    headers: {
      'upstash-workflow-unknown-sdk': 'true',
      'upstash-retries': '0',
      'upstash-failure-callback': url,
    },
  })
  await bench.qstash.idle()
  expect([runs, failed]).toEqual([1, ['payload']])
  expect(bench.qstash.runs()).toHaveLength(1)
  expect(bench.qstash.stats().deliveries).toBe(3)
})

test('a large log is fetched by the endpoint', async () => {
  const bench = await startBench({ lazyFetchBytes: 5000 })
  const lengths: number[] = []
  const url = bench.workflow('/large', async (context) => {
    const texts = await Promise.all(
      ['a', 'b', 'c'].map((letter) => context.run(letter, () => letter.repeat(3000))),
    )
    const more = await context.run('more', () => 'd'.repeat(3000))
    lengths.push(...texts.map((text) => text.length), more.length)
  })
  await bench.client.trigger({ url, body: 'p'.repeat(1000) })
  await bench.qstash.idle()
  expect(lengths).toEqual([3000, 3000, 3000, 3000])
  const { largest, requestsByRoute } = bench.qstash.stats()
  expect(largest.delivered).toBeLessThanOrEqual(5000)
  expect(requestsByRoute['GET /v2/workflows']).toBeGreaterThan(0)
})

test('a result that is larger than the lazy limit still comes back from a call', async () => {
  const bench = await startBench({ lazyFetchBytes: 2000 })
  bench.app.get('/big', (c) => c.text('ü'.repeat(4000)))
  const lengths: number[] = []
  const url = bench.workflow('/large', async (context) => {
    const { body } = await context.call<string>('big', { url: `${bench.url}/big` })
    lengths.push(body.length)
  })
  await bench.client.trigger({ url })
  await bench.qstash.idle()
  expect(lengths).toEqual([4000])
})

test('run configuration set by the trigger holds for every delivery of the run', async () => {
  const bench = await startBench()
  const url = bench.workflow('/configured', async (context) => {
    await context.run('one', () => 1)
    await Promise.all([context.run('two', () => 2), context.run('three', () => 3)])
  })
  await bench.client.trigger({ url, flowControl: { key: 'serial', parallelism: 1 } })
  await bench.qstash.idle()
  expect(bench.qstash.stats().peakByFlow).toEqual({ serial: 1 })
  expect(bench.qstash.stats().deliveries).toBe(6)
})
