import { Receiver } from '@upstash/qstash'
import { createHash } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { expect } from 'vitest'
import { z } from 'zod'
import { endedAs, openSite, type Received, type Site, test, until } from './support.ts'

const valuesOf = (requests: readonly Received[], name: string) =>
  requests.map(({ headers }) => headers.get(name))

test('every delivery says what run, message and attempt it belongs to', async () => {
  const site = openSite()
  const url = site.workflow('/described', async (context) => {
    await Promise.all([context.run('a', () => 1), context.sleep('b', 1)])
  })
  const { workflowRunId } = await site.client.trigger({ url, label: [site.id, 'b'] })
  const run = await endedAs(site, workflowRunId)
  expect(site.received).toHaveLength(5)
  const same: Record<string, string> = {
    'user-agent': 'Upstash-QStash',
    'content-type': 'application/json',
    'upstash-retried': '0',
    'upstash-workflow-runid': workflowRunId,
    'upstash-workflow-createdat': String(run.workflowRunCreatedAt),
    'upstash-workflow-sdk-version': '1',
    'upstash-label': `${site.id},b`,
  }
  for (const [name, value] of Object.entries(same)) {
    expect([name, new Set(valuesOf(site.received, name))]).toEqual([name, new Set([value])])
  }
  const ids = valuesOf(site.received, 'upstash-message-id')
  expect(ids).not.toContain(null)
  expect(new Set(ids).size).toBe(5)
  const [caller, ...others] = new Set(valuesOf(site.received, 'upstash-caller-ip'))
  expect([caller, others]).toEqual([expect.stringMatching(/[\d.:]+/), []])
})

test('the headers of a run reach its endpoint at every delivery, whatever the step', async () => {
  const site = openSite()
  site.app.get('/api', (c) => c.text('ok'))
  const url = site.workflow('/workflow', async (context) => {
    await Promise.all([
      context.run('run', () => 1),
      context.sleep('sleep', 1),
      context.call('call', { url: `${site.url}/api` }),
      context.waitForEvent('wait', site.id, { timeout: '1s' }),
    ])
    await context.notify('notify', site.id, 'nobody')
    await context.run('fail', () => {
      throw new Error('broken')
    })
  })
  const headers = { 'x-user': 'u1', authorization: 'Bearer of the user' }
  const { workflowRunId } = await site.client.trigger({ url, headers, retries: 0 })
  await endedAs(site, workflowRunId, 'RUN_FAILED')
  // the payload, four plans, the answer to the call, four results, the notification, the failure
  await until(() => expect(site.received.filter(({ path }) => path === '/workflow')).toHaveLength(12))
  const [toWorkflow, toApi] = ['/workflow', '/api'].map((path) =>
    site.received.filter((request) => request.path === path),
  )
  for (const [name, value] of Object.entries(headers)) {
    expect(new Set(valuesOf(toWorkflow ?? [], name))).toEqual(new Set([value]))
    expect(valuesOf(toApi ?? [], name)).toEqual([null])
  }
})

test('headers of the connection are not forwarded, and those of the server win', async () => {
  const site = openSite()
  site.app.post('/to', (c) => c.text('ok'))
  const message = { url: `${site.url}/to`, body: 'text' }
  const headers = {
    'Upstash-Forward-X-User': 'u1',
    'Upstash-Forward-Host': 'example.com',
    'Upstash-Forward-Content-Length': '3',
    'Upstash-Forward-Transfer-Encoding': 'chunked',
    'Upstash-Forward-Upstash-Message-Id': 'msg_other',
    'Upstash-Forward-Upstash-Retried': '7',
    'Upstash-Forward-Upstash-Signature': 'forged',
  }
  const answer = await site.api(`/v2/publish/${message.url}`, { method: 'POST', headers, body: message.body })
  expect(answer.ok).toBe(true)
  await until(() => expect(site.received).toHaveLength(1))
  const [request] = site.received
  const header = (name: string) => request?.headers.get(name)
  expect(request?.body).toBe('text')
  expect(header('x-user')).toBe('u1')
  expect(header('host')).not.toBe('example.com')
  expect(header('upstash-message-id')).not.toBe('msg_other')
  expect(header('upstash-retried')).toBe('0')
  expect(header('upstash-signature')).not.toBe('forged')
})

test('a header of the protocol belongs to its message, not to the run', async () => {
  const site = openSite()
  const url = site.workflow('/workflow', async (context) => void (await context.run('step', () => 1)))
  const workflowRunId = `wfr_${site.id}`
  const headers = {
    'upstash-workflow-runid': workflowRunId,
    'upstash-forward-upstash-workflow-note': 'first',
    'upstash-forward-x-user': 'u1',
  }
  await site.api(`/v2/trigger/${url}`, { method: 'POST', headers })
  await endedAs(site, workflowRunId)
  expect(valuesOf(site.received, 'upstash-workflow-note')).toEqual(['first', null])
  expect(valuesOf(site.received, 'x-user')).toEqual(['u1', 'u1'])
})

const Keys = z.object({ current: z.string(), next: z.string() })

const signatureOf = (request: Received | undefined) => request?.headers.get('upstash-signature') ?? ''

const isFailure = ({ headers }: Received) => headers.get('upstash-workflow-is-failure') === 'true'

/** Whether an endpoint with these keys takes a request as it was received. */
const accepts = (
  site: Site,
  request: Received,
  keys: { currentSigningKey: string; nextSigningKey: string },
) =>
  new Receiver(keys).verify({
    signature: signatureOf(request),
    body: request.body,
    url: site.url + request.path,
  })

async function received(options: { method: 'POST' | 'GET'; body?: string }) {
  const site = openSite()
  site.app.all('/signed', (c) => c.text('ok'))
  await site.qstashClient.publish({ url: `${site.url}/signed`, ...options })
  await until(() => expect(site.received).toHaveLength(1))
  const [request] = site.received
  if (!request) throw new Error('nothing was received')
  return { site, request }
}

test('the signing keys are told to who has the token, and to nobody else', async () => {
  const { api, qstash } = openSite()
  const keys = Keys.parse(await (await api('/v2/keys')).json())
  expect(keys).toEqual({ current: qstash.currentSigningKey, next: qstash.nextSigningKey })
  for (const path of ['/v2/keys', '/v2/batch', '/v2/workflows/logs']) {
    const answer = await fetch(qstash.url + path, { headers: { authorization: 'Bearer wrong' } })
    expect(answer.status).toBe(401)
  }
})

test('a signature holds for its body and its URL only, and for a few minutes', async () => {
  const { site, request } = await received({ method: 'POST', body: 'pay 10' })
  expect(await accepts(site, request, site.qstash)).toBe(true)
  await expect(accepts(site, { ...request, body: 'pay 99' }, site.qstash)).rejects.toThrow('body hash')
  await expect(accepts(site, { ...request, path: '/other' }, site.qstash)).rejects.toThrow('subject')
  const claims = decodeJwt(signatureOf(request))
  expect(claims).toMatchObject({ iss: 'Upstash', sub: `${site.url}/signed` })
  expect(claims.jti).toMatch(/^jwt_/)
  expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(300)
  expect(claims.nbf).toBe(claims.iat)
  const hash = createHash('sha256').update('pay 10').digest('base64url')
  expect(String(claims['body']).replace(/=+$/, '')).toBe(hash)
  expect(decodeProtectedHeader(signatureOf(request))).toEqual({ alg: 'HS256', typ: 'JWT' })
})

test('the current key signs, so that an endpoint takes it as its current or its next one', async () => {
  const { site, request } = await received({ method: 'POST', body: 'text' })
  const { currentSigningKey, nextSigningKey } = site.qstash
  const other = 'sig_other'
  expect(await accepts(site, request, { currentSigningKey, nextSigningKey: other })).toBe(true)
  expect(await accepts(site, request, { currentSigningKey: other, nextSigningKey: currentSigningKey })).toBe(
    true,
  )
  await expect(accepts(site, request, { currentSigningKey: other, nextSigningKey })).rejects.toThrow()
})

test('a request without body is signed as an empty one', async () => {
  const { site, request } = await received({ method: 'GET' })
  expect(request).toMatchObject({ method: 'GET', body: '' })
  expect(await accepts(site, request, site.qstash)).toBe(true)
})

test('every delivery of a run is signed, also calls and failures', async () => {
  const site = openSite()
  site.app.put('/api', (c) => c.text('ok'))
  const url = site.workflow('/workflow', async (context) => {
    await Promise.all([
      context.run('a', () => 'ü'),
      context.call('b', { url: `${site.url}/api`, method: 'PUT', body: 'ä' }),
    ])
    await context.run('fail', () => {
      throw new Error('broken')
    })
  })
  const { workflowRunId } = await site.client.trigger({ url, body: 'ö', retries: 0 })
  await endedAs(site, workflowRunId, 'RUN_FAILED')
  await until(() => expect(site.received.filter(isFailure)).toHaveLength(1))
  // the payload, two plans, the result, the call, its answer, its result, the failure
  expect(site.received).toHaveLength(8)
  for (const request of site.received) expect(await accepts(site, request, site.qstash)).toBe(true)
})

test('an endpoint with other keys refuses its deliveries, and the run fails', async () => {
  const site = openSite()
  const env = {
    QSTASH_URL: site.qstash.url,
    QSTASH_TOKEN: site.qstash.token,
    QSTASH_CURRENT_SIGNING_KEY: 'sig_other',
    QSTASH_NEXT_SIGNING_KEY: 'sig_another',
  }
  let ran = 0
  const url = site.workflow('/closed', async (context) => void (await context.run('step', () => ran++)), {
    env,
  })
  const { workflowRunId } = await site.client.trigger({ url, retries: 0 })
  await endedAs(site, workflowRunId, 'RUN_FAILED')
  expect([ran, site.received[0]?.status]).toEqual([0, 500])
})

// Below what any plan takes as one message, but three of them make a log that is fetched.
const PART = 900_000

test('a log that is too large for a delivery is fetched by the endpoint, but no callback is', async () => {
  const site = openSite()
  site.app.get('/api', (c) => c.text('grüezi'))
  const payload = '€'.repeat(PART / 3)
  const seen: unknown[] = []
  const url = site.workflow(
    '/large',
    async (context) => {
      const one = await context.run('one', () => '1'.repeat(PART))
      const two = await context.run('two', () => '2'.repeat(PART))
      const { body } = await context.call<string>('ask', { url: `${site.url}/api` })
      await context.run('fail', () => {
        seen.push([context.requestPayload === payload, one.length, two.length, body])
        throw new Error('broken')
      })
    },
    { failureFunction: async ({ context }) => void seen.push(context.requestPayload === payload) },
  )
  await site.client.trigger({ url, body: payload, retries: 0 })
  // Not by the logs, which show all of it.
  await until(() => expect(seen).toEqual([[true, PART, PART, 'grüezi'], true]))
  const toWorkflow = site.received.filter(({ path }) => path === '/large')
  const isFetched = toWorkflow.map(({ body }) => body === '')
  // the payload, two steps, the answer to the call, its step, the failure callback
  expect(isFetched).toEqual([false, false, true, false, true, false])
})
