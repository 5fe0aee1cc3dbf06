import { WorkflowRetryAfterError } from '@upstash/workflow'
import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import { expect } from 'vitest'
import { endedAs, openSite, type Site, test, until } from './support.ts'

/** A workflow whose only step fails the first `times` times. */
function flaky(times: number, error: () => Error = () => new Error('not yet')) {
  const site = openSite()
  let failed = 0
  const retried: number[] = []
  const url = site.workflow('/flaky', async (context) => {
    await context.run('step', () => {
      retried.push(context.retried)
      if (failed++ < times) throw error()
    })
  })
  return { ...site, url, retried }
}

/** Milliseconds between the requests. */
const gaps = ({ received }: Site) => received.slice(1).map(({ at }, index) => at - (received[index]?.at ?? 0))

test('a failing step is retried with the count of its retries, and the run succeeds', async () => {
  const site = flaky(2)
  const { workflowRunId } = await site.client.trigger({ url: site.url, retryDelay: '100' })
  await endedAs(site, workflowRunId)
  expect(site.retried).toEqual([0, 1, 2])
  expect(site.received.map(({ headers }) => headers.get('upstash-retried'))).toEqual(['0', '1', '2', '0'])
  // the same message again
  const ids = site.received.map(({ headers }) => headers.get('upstash-message-id'))
  expect(new Set(ids.slice(0, 3)).size).toBe(1)
})

test.each([
  ['an unset number of retries means three', {}, 4],
  ['no retries means one attempt', { retries: 0 }, 1],
])('%s', async (_, retries, attempts) => {
  const site = flaky(99)
  const { workflowRunId } = await site.client.trigger({ url: site.url, retryDelay: '1', ...retries })
  await endedAs(site, workflowRunId, 'RUN_FAILED')
  expect(site.retried).toHaveLength(attempts)
})

test('the delay of retries is an expression over their count, in milliseconds', async () => {
  const site = flaky(2)
  const retryDelay = 'max(100, 500 * pow(2, retried))'
  const { workflowRunId } = await site.client.trigger({ url: site.url, retryDelay })
  await endedAs(site, workflowRunId)
  const [first = 0, second = 0] = gaps(site)
  expect(first).toBeGreaterThan(450)
  expect(second).toBeGreaterThan(950)
  // without an expression: 12 seconds
  expect(Math.max(first, second)).toBeLessThan(8000)
})

test.each([
  ['longer', '1'],
  ['shorter', '60000'],
])(
  'an endpoint that names a time is tried again then, although its delay is not %s',
  async (_, retryDelay) => {
    const site = flaky(1, () => new WorkflowRetryAfterError('later', 1))
    const { workflowRunId } = await site.client.trigger({ url: site.url, retryDelay })
    await endedAs(site, workflowRunId)
    expect(site.received[0]?.status).toBe(429)
    expect(gaps(site)[0]).toBeGreaterThan(950)
  },
)

// Dates have no fractions of a second: this one is at least a second away.
const inTwoSeconds = () => new Date(Date.now() + 2000).toUTCString()

test.each([
  ['Retry-After in seconds', 'Retry-After', () => '1'],
  ['Retry-After as a date', 'Retry-After', inTwoSeconds],
  ['X-RateLimit-Reset', 'X-RateLimit-Reset', () => '1'],
  ['X-RateLimit-Reset-Requests', 'X-RateLimit-Reset-Requests', () => '0m1s'],
  ['X-RateLimit-Reset-Tokens', 'X-RateLimit-Reset-Tokens', () => '1s'],
])('a destination says when it wants a message again by %s', async (_, name, value) => {
  const site = openSite()
  site.app.post('/busy', (c) =>
    site.received.length > 1 ? c.text('ok') : c.text('busy', 429, { [name]: value() }),
  )
  await site.qstashClient.publish({ url: `${site.url}/busy`, retryDelay: '1' })
  await until(() => expect(site.received).toHaveLength(2))
  expect(gaps(site)[0]).toBeGreaterThan(950)
})

test('a connection that breaks is a failed attempt', async () => {
  const site = openSite()
  // The types of Hono do not know which server it runs on.
  site.app.post('/broken', async (c: Context<{ Bindings: HttpBindings }>) => {
    c.env.outgoing.destroy()
    return c.text('nobody reads this')
  })
  const url = `${site.url}/broken`
  const { workflowRunId } = await site.client.trigger({ url, retries: 1, retryDelay: '100' })
  await endedAs(site, workflowRunId, 'RUN_FAILED')
  // two attempts of the run, two of its failure callback
  await until(() => expect(site.received).toHaveLength(4))
  expect(site.received.at(-1)?.headers.get('upstash-workflow-is-failure')).toBe('true')
})

test('an endpoint that begins no step is tried again like one that fails', async () => {
  const site = openSite()
  const url = site.workflow('/unauthorized', async () => {})
  const { workflowRunId } = await site.client.trigger({ url, retries: 1, retryDelay: '100' })
  await endedAs(site, workflowRunId, 'RUN_FAILED')
  expect(site.received.slice(0, 2).map(({ status }) => status)).toEqual([400, 400])
})

const errorOf = async (site: Site, workflowRunId: string) => {
  const run = await endedAs(site, workflowRunId, 'RUN_FAILED')
  const last = run.steps.at(-1)
  return last?.type === 'next' ? last.steps[0]?.errors?.at(-1) : undefined
}

test('an endpoint that is no workflow fails the run without retry', async () => {
  const site = openSite()
  site.app.post('/plain', (c) => c.text('fine'))
  const { workflowRunId } = await site.client.trigger({ url: `${site.url}/plain`, retryDelay: '1' })
  expect(await errorOf(site, workflowRunId)).toMatchObject({
    status: 200,
    body: 'fine',
    error: expect.stringContaining('detected a non-workflow destination for trigger/invoke'),
  })
  await until(() => expect(site.received).toHaveLength(2))
  expect(site.received[1]?.headers.get('upstash-workflow-is-failure')).toBe('true')
})

test('a REST run against an endpoint that does not name its SDK version fails', async () => {
  const site = openSite()
  site.app.post('/old', (c) => c.text('ok', 200, { 'Upstash-Workflow-Sdk-Version': '1' }))
  const workflowRunId = `wfr_${site.id}`
  const headers = { 'upstash-workflow-runid': workflowRunId }
  await site.api(`/v2/trigger/${site.url}/old`, { method: 'POST', headers })
  const error = await errorOf(site, workflowRunId)
  expect(error?.error).toContain('trigger rest api is only usable with sdk versions after v1.0.0')
  expect(site.received).toHaveLength(1)
})
