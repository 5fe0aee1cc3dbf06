import { expect } from 'vitest'
import { z } from 'zod'
import { Base64Text, endedAs, openSite, pass, type Site, test } from './support.ts'

const Report = z.looseObject({
  status: z.number(),
  header: z.record(z.string(), z.array(z.string())),
  body: Base64Text,
  retried: z.number(),
  maxRetries: z.number(),
  sourceMessageId: z.string(),
  url: z.string(),
  method: z.string(),
  sourceBody: Base64Text,
  createdAt: z.number(),
})

/** The requests to one path of a test. */
const to = (site: Site, path: string) => site.received.filter((request) => request.path === path)

/** What the endpoint was told of its call. */
const reportsTo = (site: Site, path: string) =>
  to(site, path).filter(({ headers }) => headers.get('upstash-workflow-callback') === 'true')

test('a call costs the request itself and two deliveries', async () => {
  const site = openSite()
  site.app.put('/api', (c) => c.json({ answer: 'grüezi' }, 201, { 'x-extra': 'yes' }))
  const results: unknown[] = []
  const url = site.workflow('/caller', async (context) => {
    const { status, body, header } = await context.call<{ answer: string }>('ask', {
      url: `${site.url}/api`,
      method: 'PUT',
      body: 'question?',
      headers: { 'x-api-key': 'k', 'upstash-workflow-note': 'of the call' },
    })
    results.push({ status, body, extra: header['X-Extra'] })
  })
  const { workflowRunId } = await site.client.trigger({ url, headers: { 'x-user': 'u1' } })
  await endedAs(site, workflowRunId)
  expect(results).toEqual([{ status: 201, body: { answer: 'grüezi' }, extra: ['yes'] }])
  expect([to(site, '/api').length, to(site, '/caller').length]).toEqual([1, 3])
  const [call] = to(site, '/api')
  expect(call).toMatchObject({ method: 'PUT', body: 'question?' })
  expect(call?.headers.get('x-api-key')).toBe('k')
  // nothing of the run, but all that the call asks for
  const { headers } = call ?? {}
  const ofProtocol = [...(headers ?? [])].filter(([name]) => name.startsWith('upstash-workflow-'))
  expect(ofProtocol).toEqual([['upstash-workflow-note', 'of the call']])
  expect(headers?.get('x-user')).toBeNull()
})

test('the endpoint is told the answer with where it came from, as its step', async () => {
  const site = openSite()
  site.app.post('/api', (c) => c.text('pong', 202, { 'x-extra': 'yes' }))
  const url = site.workflow('/caller', async (context) => {
    await context.call('ask', { url: `${site.url}/api`, method: 'POST', body: 'ping', retries: 2 })
  })
  const headers = { 'x-user': 'u1' }
  const { workflowRunId } = await site.client.trigger({ url, headers, label: site.id })
  await endedAs(site, workflowRunId)
  const [told] = reportsTo(site, '/caller')
  const report = Report.parse(JSON.parse(told?.body ?? ''))
  expect(report).toMatchObject({ status: 202, body: 'pong', sourceBody: 'ping', retried: 0, maxRetries: 2 })
  expect(report).toMatchObject({ url: `${site.url}/api`, method: 'POST', header: { 'X-Extra': ['yes'] } })
  const header = (name: string) => told?.headers.get(name)
  expect(header('upstash-workflow-stepid')).toBe('1')
  expect(header('upstash-workflow-stepname')).toBe('ask')
  expect(header('upstash-workflow-steptype')).toBe('Call')
  expect(header('upstash-workflow-concurrent')).toBe('1')
  expect(header('upstash-workflow-runid')).toBe(workflowRunId)
  expect(header('x-user')).toBe('u1')
  expect(header('upstash-workflow-sdk-version')).toBeNull()
})

test('a call that fails is not repeated unless it asks for that, and its answer is the result', async () => {
  const site = openSite()
  site.app.get('/api', (c) => c.text('no', 503))
  const url = site.workflow('/caller', async (context) => {
    const { status, body } = await context.call('ask', { url: `${site.url}/api` })
    return { status, body }
  })
  const { workflowRunId } = await site.client.trigger({ url })
  const run = await endedAs(site, workflowRunId)
  expect(run.workflowRunResponse).toBe('{"status":503,"body":"no"}')
  expect(to(site, '/api')).toHaveLength(1)
})

test('a failing call is retried, and only its last answer is told', async () => {
  const site = openSite()
  let calls = 0
  site.app.get('/api', (c) => c.text(`no ${++calls}`, 503))
  const url = site.workflow('/caller', async (context) => {
    const { body } = await context.call('ask', { url: `${site.url}/api`, retries: 2, retryDelay: '200' })
    return body
  })
  const { workflowRunId } = await site.client.trigger({ url })
  const run = await endedAs(site, workflowRunId)
  expect(run.workflowRunResponse).toBe('"no 3"')
  expect(to(site, '/api').map(({ headers }) => headers.get('upstash-retried'))).toEqual(['0', '1', '2'])
  expect(reportsTo(site, '/caller')).toHaveLength(1)
  expect(to(site, '/caller')).toHaveLength(3)
})

test('a call succeeds after the retry that its answer asked for', async () => {
  const site = openSite()
  let calls = 0
  site.app.get('/api', (c) => (calls++ === 0 ? c.text('wait', 429, { 'retry-after': '1' }) : c.text('ok')))
  const url = site.workflow('/caller', async (context) => {
    return (await context.call('ask', { url: `${site.url}/api`, retries: 5 })).body
  })
  const { workflowRunId } = await site.client.trigger({ url })
  const run = await endedAs(site, workflowRunId)
  expect(run.workflowRunResponse).toBe('"ok"')
  const [first, second] = to(site, '/api')
  expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThan(950)
})

test('a call that takes longer than its timeout fails', async () => {
  const site = openSite()
  site.app.get('/api', async (c) => {
    await pass(3000)
    return c.text('too late')
  })
  const url = site.workflow('/caller', async (context) => {
    return (await context.call('ask', { url: `${site.url}/api`, timeout: '1s' })).status
  })
  const { workflowRunId } = await site.client.trigger({ url })
  const run = await endedAs(site, workflowRunId)
  expect(Number(run.workflowRunResponse)).toBeGreaterThanOrEqual(400)
})

test('parallel calls get each its own answer', async () => {
  const site = openSite()
  site.app.get('/api/:n', (c) => c.text(`answer ${c.req.param('n')}`))
  const results: unknown[] = []
  const url = site.workflow('/caller', async (context) => {
    const answers = await Promise.all(
      [1, 2, 3].map((n) => context.call(`ask ${n}`, { url: `${site.url}/api/${n}` })),
    )
    await context.run('collect', () => results.push(answers.map(({ body }) => body)))
  })
  const { workflowRunId } = await site.client.trigger({ url })
  await endedAs(site, workflowRunId)
  expect(results).toEqual([['answer 1', 'answer 2', 'answer 3']])
  // the payload, then plan, answer and result of each call, then the last step
  expect(to(site, '/caller')).toHaveLength(1 + 3 * 3 + 1)
})
