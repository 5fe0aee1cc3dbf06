import { serve } from '@upstash/workflow/hono'
import { Hono } from 'hono'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type Bench, endpointEnv, startBench } from './support.ts'

const Pulled = z.object({
  id: z.string(),
  url: z.string(),
  method: z.string(),
  headers: z.record(z.string(), z.string()),
  body: z.string(),
})
type Pulled = z.infer<typeof Pulled>

const URL = 'http://worker.local/api/wf'

/** What an endpoint answers to a delivery that it has handled. */
const answered = { status: 200, headers: { 'upstash-workflow-sdk-version': '1' } }

async function next(bench: Bench, query = ''): Promise<Pulled | undefined> {
  const response = await bench.api(`/local/deliveries/next${query}`, { method: 'POST' })
  return response.status === 204 ? undefined : Pulled.parse(await response.json())
}

const complete = (bench: Bench, id: string, outcome: object) =>
  bench.api(`/local/deliveries/${id}`, { method: 'POST', body: JSON.stringify(outcome) })

/** Hands a delivery to an app that is reached without a network. */
async function handOver(bench: Bench, app: Hono, delivery: Pulled) {
  const response = await app.request(delivery.url, delivery)
  const headers = Object.fromEntries(response.headers)
  await complete(bench, delivery.id, { status: response.status, headers, body: await response.text() })
}

test('a run goes through when a test takes and completes its deliveries', async () => {
  const bench = await startBench({ mode: 'pull' })
  const app = new Hono()
  const results: unknown[] = []
  const route = serve(
    async (context) => {
      const text = await context.run('step', () => `${String(context.requestPayload)} ✓`)
      results.push(text)
    },
    { env: endpointEnv(bench.qstash) },
  )
  app.post('/api/wf', route)
  await bench.client.trigger({ url: URL, body: 'naïve "quoted" 🎈' })
  let taken = 0
  for (let delivery = await next(bench); delivery; delivery = await next(bench)) {
    taken++
    await handOver(bench, app, delivery)
  }
  expect(taken).toBe(2)
  expect(results).toEqual(['naïve "quoted" 🎈 ✓'])
})

test('the text of a body is kept exactly', async () => {
  const bench = await startBench({ mode: 'pull' })
  const body = '\uFEFFline\r\n\u0000 "quoted" \\ 🎈 '
  await bench.qstashClient.publish({ url: URL, body })
  expect((await next(bench))?.body).toBe(body)
})

test('nothing is due before its delay has passed', async () => {
  const bench = await startBench({ mode: 'pull' })
  const idle = await bench.api('/local/deliveries/next', { method: 'POST' })
  expect(idle.status).toBe(204)
  expect(idle.headers.get('local-next-due-ms')).toBeNull()
  await bench.client.trigger({ url: URL, delay: '1h' })
  const early = await bench.api('/local/deliveries/next', { method: 'POST' })
  expect(early.status).toBe(204)
  expect(early.headers.get('local-in-flight')).toBe('0')
  const dueIn = Number(early.headers.get('local-next-due-ms'))
  expect(dueIn).toBeGreaterThan(3_590_000)
  expect(dueIn).toBeLessThanOrEqual(3_600_000)
  await bench.api('/local/clock/advance', { method: 'POST', body: JSON.stringify({ ms: 3_600_000 }) })
  expect((await next(bench))?.url).toBe(URL)
})

test('flow control holds for taken deliveries', async () => {
  const bench = await startBench({ mode: 'pull' })
  const flowControl = { key: 'one', parallelism: 1 }
  await bench.client.trigger([1, 2].map((body) => ({ url: URL, body, flowControl })))
  const first = await next(bench)
  const busy = await bench.api('/local/deliveries/next', { method: 'POST' })
  expect([busy.status, busy.headers.get('local-in-flight')]).toEqual([204, '1'])
  await complete(bench, first?.id ?? '', answered)
  expect(await next(bench)).toBeDefined()
})

test('an error completes a delivery as a network failure', async () => {
  const bench = await startBench({ mode: 'pull' })
  await bench.client.trigger({ url: URL, retries: 1, retryDelay: '1000' })
  const first = await next(bench)
  await complete(bench, first?.id ?? '', { error: 'connection reset' })
  expect(await next(bench)).toBeUndefined()
  bench.qstash.advance(1000)
  const second = await next(bench)
  expect(second?.headers['upstash-retried']).toBe('1')
})

test('a message is not due before the delivery that published it has answered', async () => {
  const bench = await startBench({ mode: 'pull' })
  const { workflowRunId } = await bench.client.trigger({ url: URL })
  const first = await next(bench)
  const step = { stepId: 1, stepName: 's', stepType: 'Run', out: '1', concurrent: 1 }
  const published = await bench.api(`/v2/publish/${URL}`, {
    method: 'POST',
    headers: { 'upstash-workflow-runid': workflowRunId, 'upstash-workflow-init': 'false' },
    body: JSON.stringify(step),
  })
  expect(published.status).toBe(201)
  expect(await next(bench)).toBeUndefined()
  await complete(bench, first?.id ?? '', answered)
  const second = await next(bench)
  expect(JSON.parse(second?.body ?? '[]')).toHaveLength(2)
})

/** A run with two branches in flight, of which the first has begun to wait for an event. */
async function waitingBranch(bench: Bench) {
  const { workflowRunId } = await bench.client.trigger({ url: URL })
  const headers = { 'upstash-workflow-runid': workflowRunId, 'upstash-workflow-init': 'false' }
  const plans = [1, 2].map((targetStep) => {
    const step = { stepId: 0, stepName: `s${targetStep}`, stepType: 'Run', concurrent: 2, targetStep }
    return { destination: URL, headers, body: JSON.stringify(step) }
  })
  const first = await next(bench)
  await bench.api('/v2/batch', { method: 'POST', body: JSON.stringify(plans) })
  await complete(bench, first?.id ?? '', answered)
  const [waiting, executing] = [await next(bench), await next(bench)]
  expect(executing).toBeDefined()
  const step = { stepId: 1, stepName: 's1', stepType: 'Wait', concurrent: 2 }
  const body = JSON.stringify({ url: URL, timeout: '1h', step })
  await bench.api('/v2/wait/event', { method: 'POST', headers, body })
  return waiting?.id ?? ''
}

test('a wait does not end before the delivery that began it has answered', async () => {
  const bench = await startBench({ mode: 'pull' })
  const waiting = await waitingBranch(bench)
  await bench.client.notify({ eventId: 'event', eventData: 'data' })
  expect(await next(bench)).toBeUndefined()
  await complete(bench, waiting, answered)
  expect(JSON.parse((await next(bench))?.body ?? '[]')).toHaveLength(4)
})

test('a wait ends although another branch is still being executed', async () => {
  const bench = await startBench({ mode: 'pull' })
  await complete(bench, await waitingBranch(bench), answered)
  expect(await next(bench)).toBeUndefined()
  await bench.client.notify({ eventId: 'event', eventData: 'data' })
  expect(JSON.parse((await next(bench))?.body ?? '[]')).toHaveLength(4)
})

test('the one that completes a delivery may take the next with the same request', async () => {
  const bench = await startBench({ mode: 'pull' })
  const flowControl = { key: 'one', parallelism: 1 }
  await bench.client.trigger([1, 2].map(() => ({ url: URL, flowControl })))
  const first = await next(bench)
  const taking = { method: 'POST', body: JSON.stringify(answered) }
  const taken = await bench.api(`/local/deliveries/${first?.id}?nextWaitMs=0`, taking)
  const { id } = Pulled.parse(await taken.json())
  const none = await bench.api(`/local/deliveries/${id}?nextWaitMs=0`, taking)
  expect([none.status, none.headers.get('local-in-flight')]).toEqual([204, '0'])
})

describe('waiting for the next delivery', () => {
  const longWait = '?waitMs=20000'

  test('ends when one is due', async () => {
    const bench = await startBench({ mode: 'pull' })
    await bench.client.trigger({ url: URL })
    await next(bench)
    const waiting = next(bench, longWait)
    await bench.client.trigger({ url: URL })
    expect((await waiting)?.url).toBe(URL)
  })

  test('ends when nothing is in flight that may have one due', async () => {
    const bench = await startBench({ mode: 'pull' })
    await bench.client.trigger({ url: URL, retryDelay: '60000' })
    const first = await next(bench)
    const waiting = next(bench, longWait)
    await complete(bench, first?.id ?? '', { error: 'connection reset' })
    expect(await waiting).toBeUndefined()
    expect(await next(bench, longWait)).toBeUndefined()
  })
})

test('a delivery that is not out cannot be completed, and push mode hands out none', async () => {
  const pull = await startBench({ mode: 'pull' })
  expect((await complete(pull, 'dlv_x', { status: 200 })).status).toBe(404)
  const push = await startBench()
  expect((await push.api('/local/deliveries/next', { method: 'POST' })).status).toBe(409)
})
