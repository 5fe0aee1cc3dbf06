import { createWorkflow, serveMany } from '@upstash/workflow/hono'
import { createMiddleware } from 'hono/factory'
import { expect, test } from 'vitest'
import type { LocalQstash } from './index.ts'
import { endpointEnv, startBench } from './support.ts'

test('a call costs the external request and two deliveries', async () => {
  const { app, url: base, workflow, client, qstash } = await startBench()
  const received: unknown[] = []
  app.put('/api', async (c) => {
    received.push({
      body: await c.req.text(),
      key: c.req.header('x-api-key'),
      runId: c.req.header('upstash-workflow-runid'),
    })
    return c.json({ answer: 'grüezi' }, 201, { 'x-extra': 'yes' })
  })
  const results: unknown[] = []
  const url = workflow('/caller', async (context) => {
    const { status, body, header } = await context.call<{ answer: string }>('ask', {
      url: `${base}/api`,
      method: 'PUT',
      body: 'question?',
      headers: { 'x-api-key': 'k' },
    })
    results.push({ status, body, extra: header['X-Extra'] })
  })
  await client.trigger({ url, headers: { 'x-user': 'secret' } })
  await qstash.idle()
  expect(received).toEqual([{ body: 'question?', key: 'k', runId: undefined }])
  expect(results).toEqual([{ status: 201, body: { answer: 'grüezi' }, extra: ['yes'] }])
  expect(qstash.stats().deliveriesByUrl).toEqual({ [`${base}/api`]: 1, [url]: 3 })
})

test('a failing call is retried and its last answer is the result', async () => {
  const { app, url: base, workflow, client, qstash } = await startBench({ timeScale: 0.001 })
  let calls = 0
  app.get('/api', (c) => c.text(`no ${++calls}`, 503))
  const results: unknown[] = []
  const url = workflow('/caller', async (context) => {
    const { status, body } = await context.call('ask', { url: `${base}/api`, retries: 2, retryDelay: '1000' })
    results.push({ status, body })
  })
  await client.trigger({ url })
  await qstash.idle()
  expect(results).toEqual([{ status: 503, body: 'no 3' }])
})

test('a call succeeds after a retry', async () => {
  const { app, url: base, workflow, client, qstash } = await startBench({ timeScale: 0.001 })
  let calls = 0
  app.get('/api', (c) => (calls++ === 0 ? c.text('wait', 429, { 'retry-after': '1' }) : c.text('ok')))
  const results: unknown[] = []
  const url = workflow('/caller', async (context) => {
    results.push((await context.call('ask', { url: `${base}/api`, retries: 5 })).body)
  })
  await client.trigger({ url })
  await qstash.idle()
  expect(results).toEqual(['ok'])
})

test('a call that takes longer than its timeout fails', async () => {
  const { app, url: base, workflow, client, qstash } = await startBench({ timeScale: 0.01 })
  app.get('/api', async (c) => {
    await new Promise((resolve) => c.req.raw.signal.addEventListener('abort', resolve))
    return c.text('too late')
  })
  const results: number[] = []
  const url = workflow('/caller', async (context) => {
    results.push((await context.call('ask', { url: `${base}/api`, timeout: 3 })).status)
  })
  await client.trigger({ url })
  await qstash.idle()
  expect(results).toEqual([500])
})

test('parallel calls get each its own answer', async () => {
  const { app, url: base, workflow, client, qstash } = await startBench()
  app.get('/api/:n', (c) => c.text(`answer ${c.req.param('n')}`))
  const results: unknown[] = []
  const url = workflow('/caller', async (context) => {
    const answers = await Promise.all(
      [1, 2, 3].map((n) => context.call(`ask ${n}`, { url: `${base}/api/${n}` })),
    )
    await context.run('collect', () => results.push(answers.map(({ body }) => body)))
  })
  await client.trigger({ url })
  await qstash.idle()
  expect(results).toEqual([['answer 1', 'answer 2', 'answer 3']])
  // init, then plan, callback and result of each call, then the last step
  expect(qstash.stats().deliveriesByUrl[url]).toBe(1 + 3 * 3 + 1)
})

/** Gives the endpoint its environment as a Worker would get it. */
const withEnv = (qstash: LocalQstash) =>
  createMiddleware(async (c, next) => {
    Object.assign(c.env, endpointEnv(qstash))
    await next()
  })

test('an invoked run hands its result to the run that invoked it', async () => {
  const { app, url: base, client, qstash } = await startBench()
  const results: unknown[] = []
  const child = createWorkflow<{ n: number }, { doubled: number }>(async (context) => {
    const doubled = await context.run('double', () => context.requestPayload.n * 2)
    return { doubled, invokeCount: context.headers.get('x-from') }
  })
  const parent = createWorkflow(async (context) => {
    const calls = [1, 2].map((n) =>
      context.invoke(`child ${n}`, { workflow: child, body: { n }, headers: { 'x-from': 'parent' } }),
    )
    results.push(await Promise.all(calls))
  })
  app.post('/wf/:id', withEnv(qstash), serveMany({ parent, child }))
  await client.trigger({ url: `${base}/wf/parent` })
  await qstash.idle()
  const ok = { isFailed: false, isCanceled: false }
  expect(results.at(-1)).toEqual([
    { body: { doubled: 2, invokeCount: 'parent' }, ...ok },
    { body: { doubled: 4, invokeCount: 'parent' }, ...ok },
  ])
  expect(qstash.runs({ state: 'RUN_SUCCESS' })).toHaveLength(3)
})

test('an invoked run that fails or is cancelled says so', async () => {
  const { app, url: base, client, qstash } = await startBench()
  const results: unknown[] = []
  const failing = createWorkflow(async (context) => {
    await context.run('fail', () => {
      throw new Error('no')
    })
  })
  const cancelling = createWorkflow(async (context) => {
    await context.run('first', () => 1)
    await context.cancel()
  })
  const parent = createWorkflow(async (context) => {
    const failed = await context.invoke('failing', { workflow: failing, body: undefined, retries: 0 })
    const cancelled = await context.invoke('cancelling', { workflow: cancelling, body: undefined })
    results.push([failed, cancelled])
  })
  app.post('/wf/:id', withEnv(qstash), serveMany({ parent, failing, cancelling }))
  await client.trigger({ url: `${base}/wf/parent` })
  await qstash.idle()
  expect(results).toEqual([
    [
      { isFailed: true, isCanceled: false },
      { isFailed: false, isCanceled: true },
    ],
  ])
})
