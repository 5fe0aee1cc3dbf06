import { expect, test } from 'vitest'
import { eventually, gate, startBench } from './support.ts'

test('a run id is taken while its run is active and for a window after it', async () => {
  const bench = await startBench({ dedupWindowMs: 600_000 })
  let ran = 0
  const { opened, open } = gate()
  const url = bench.workflow('/once', async (context) => {
    await context.run('count', async () => {
      ran++
      await opened
    })
  })
  const trigger = () => bench.client.trigger({ url, workflowRunId: 'same' })
  await trigger()
  await eventually(() => ran).toBe(1)
  await trigger()
  open()
  await bench.qstash.idle()
  bench.qstash.advance(590_000)
  await trigger()
  await bench.qstash.idle()
  expect(ran).toBe(1)
  bench.qstash.advance(10_000)
  await trigger()
  await bench.qstash.idle()
  expect(ran).toBe(2)
  expect(bench.qstash.runs({ runId: 'wfr_same' })).toHaveLength(2)
})

test('a deduplication id is free again after its window', async () => {
  const { app, url, qstash, qstashClient } = await startBench({ dedupWindowMs: 600_000 })
  app.post('/once', (c) => c.text('ok'))
  const publish = () => qstashClient.publish({ url: `${url}/once`, deduplicationId: 'd' })
  await publish()
  qstash.advance(590_000)
  expect(await publish()).toMatchObject({ deduplicated: true })
  qstash.advance(10_000)
  expect(await publish()).not.toHaveProperty('deduplicated')
  await qstash.idle()
  expect(qstash.stats().deliveries).toBe(2)
})

test('without an expression the delay of retries grows fast', async () => {
  const { workflow, client, qstash } = await startBench()
  let tries = 0
  const url = workflow('/delayed', async (context) => {
    await context.run('step', () => {
      if (++tries <= 3) throw new Error('not yet')
    })
  })
  await client.trigger({ url })
  for (const [index, delay] of [12_183, 148_414, 1_808_043].entries()) {
    await qstash.idle({ ignoreDelayed: true })
    expect(tries).toBe(index + 1)
    qstash.advance(delay - 900)
    await qstash.idle({ ignoreDelayed: true })
    expect(tries).toBe(index + 1)
    qstash.advance(900)
  }
  await qstash.idle()
  expect(tries).toBe(4)
})

test('advancing the clock ends sleeps and waits that are over by then', async () => {
  const { workflow, client, qstash } = await startBench()
  const woke: unknown[] = []
  const url = workflow('/sleep', async (context) => {
    await context.sleep('three days', '3d')
    const { timeout } = await context.waitForEvent('wait', 'event', { timeout: '2h' })
    woke.push(timeout)
  })
  await client.trigger({ url })
  for (const ms of [3 * 86_400_000, 7_190_000]) {
    await qstash.idle({ ignoreDelayed: true })
    qstash.advance(ms)
  }
  await qstash.idle({ ignoreDelayed: true })
  expect(woke).toEqual([])
  qstash.advance(10_000)
  await qstash.idle()
  expect(woke).toEqual([true])
})

test('the time scale shortens delays', async () => {
  const { workflow, client, qstash } = await startBench({ timeScale: 0.001 })
  const url = workflow('/scaled', async (context) => {
    await context.sleep('a minute', '1m')
  })
  const start = performance.now()
  await client.trigger({ url, delay: '30s' })
  await qstash.idle()
  const elapsed = performance.now() - start
  expect(elapsed).toBeGreaterThan(85)
  expect(elapsed).toBeLessThan(3000)
})

test('a log that is larger than its limit is fetched by the endpoint', async () => {
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

test('an answer that is larger than that limit still comes back from a call', async () => {
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

test('a body that is larger than its limit is refused with 412', async () => {
  const { client, qstash } = await startBench({ maxMessageBytes: 1000 })
  const refused = client.trigger({ url: 'http://worker.local/wf', body: 'x'.repeat(2000) })
  await expect(refused).rejects.toMatchObject({ status: 412 })
  expect(qstash.runs()).toEqual([])
})

test('the plan-wide parallelism bounds all keys together', async () => {
  const { workflow, client, qstash, qstashClient } = await startBench({ parallelism: 3 })
  const { opened, open } = gate()
  const url = workflow('/wide', async (context) => {
    await context.run('step', () => opened)
  })
  await client.trigger([1, 2, 3, 4, 5].map((n) => ({ url, flowControl: { key: `k${n}`, parallelism: 9 } })))
  await eventually(() => qstash.stats().deliveries).toBe(3)
  expect(await qstashClient.flowControl.getGlobalParallelism()).toEqual({
    parallelismMax: 3,
    parallelismCount: 3,
  })
  open()
  await qstash.idle()
})

test('the oldest ended runs lose their step bodies first, and then their records', async () => {
  const bench = await startBench({ keptLogBytes: 5000, keptRuns: 3 })
  const url = bench.workflow('/big', async (context) => {
    await context.run('step', () => 'x'.repeat(1000))
  })
  for (const workflowRunId of ['1', '2', '3', '4']) {
    await bench.client.trigger({ url, workflowRunId })
    await bench.qstash.idle()
  }
  const kept = bench.qstash.runs().map((run) => [run.workflowRunId, run.steps.length])
  expect(kept).toEqual([
    ['wfr_4', 2],
    ['wfr_3', 2],
    ['wfr_2', 0],
  ])
})
