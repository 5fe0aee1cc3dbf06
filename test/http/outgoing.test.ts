import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { currentKey, sign } from './signed.ts'
import { hostileJson, tries } from '../support/hostile.ts'
import { lane } from '../support/lane.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { addAgent, addUser } from '../workflows/records.ts'
import { startedBatch } from './batches.ts'
import { operations, type Operation } from './document.ts'
import { workflowRoutes } from './routes.ts'

beforeEach(resetEverything)
afterEach(() => void vi.restoreAllMocks())

const attacker = 'https://attacker.example/x'

/** The only hosts that anything is to be sent to: those of the bindings. */
const configured = new Set(
  Object.entries(lane.bindings).flatMap(([name, value]) =>
    name.endsWith('URL') ? [URL.parse(value)?.host] : [],
  ),
)

/** Notes every host that the Worker sends something to from now on, and lets nothing reach another. */
function watchFetches(): string[] {
  const hosts: string[] = []
  const real = globalThis.fetch
  vi.spyOn(globalThis, 'fetch').mockImplementation((input, init) => {
    const { host } = new URL(input instanceof Request ? input.url : input)
    hosts.push(host)
    return configured.has(host) ? real(input, init) : Promise.resolve(new Response('{}'))
  })
  return hosts
}

const urls = fc.constantFrom(
  attacker,
  'http://169.254.169.254/latest/meta-data/',
  'http://[::1]:9/x',
  '//attacker.example/x',
  'file:///etc/passwd',
  'https://rounds.test@attacker.example/x',
)

/** Headers by which proxies, QStash and its SDK are told where to send something. */
const steering = fc.dictionary(
  fc.constantFrom(
    'host',
    'x-forwarded-host',
    'x-forwarded-proto',
    'forwarded',
    'origin',
    'referer',
    'x-original-url',
    'upstash-callback',
    'upstash-failure-callback',
    'upstash-url',
    'upstash-region',
    'upstash-forward-location',
    'upstash-workflow-url',
    'upstash-workflow-callback',
    'upstash-workflow-callbackurl',
    'upstash-workflow-calltype',
    'upstash-workflow-invoke-url',
    'upstash-failure-callback-forward-x',
    'upstash-workflow-failure-callback',
  ),
  urls,
  { maxKeys: 6 },
)

/** JSON in which every text is an address. */
const ofUrls = fc
  .tuple(hostileJson, urls)
  .map(([value, url]) =>
    JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'string' ? url : inner)),
  )
const fields = ['url', 'callback', 'failureCallback', 'params', 'reason', 'data', 'body', 'batchId', 'planId']
const bodies = fc.oneof(
  ofUrls,
  fc.dictionary(fc.constantFrom(...fields), urls).map((body) => JSON.stringify(body)),
)

test('an address in a request is never asked for', async () => {
  const app = rounds()
  const { id } = await startedBatch(app)
  const authorization = `Bearer ${app.services.env.ADMIN_TOKEN}`
  const hosts = watchFetches()
  const property = async (
    { method, path }: Operation,
    url: string,
    headers: Record<string, string>,
    body: string,
  ) => {
    const filled = path.replaceAll('{id}', id).replaceAll(/\{\w+\}/g, encodeURIComponent(url))
    const search = new URLSearchParams({ cursor: url, workflow: url }).toString()
    const response = await app.worker(
      new Request(`https://rounds.test${filled}?${search}`, {
        method,
        headers: { ...headers, authorization, 'idempotency-key': url },
        body: method === 'GET' ? null : body,
      }),
    )
    await response.body?.cancel()
  }
  const every = fc.constantFrom(...operations)
  await fc.assert(fc.asyncProperty(every, urls, steering, bodies, property), tries(150))
  expect(hosts.length).toBeGreaterThan(50)
  expect(hosts.filter((host) => !configured.has(host))).toEqual([])
})

describe('an address in what QStash delivers', () => {
  test('is never asked for, nor is QStash told to', async () => {
    const app = rounds()
    const hosts = watchFetches()
    const property = async (path: string, headers: Record<string, string>, body: string, isRun: boolean) => {
      const url = `https://rounds.test${path}`
      const log = isRun ? JSON.stringify([{ body: btoa(body), callType: 'step' }]) : body
      const ofRun = { 'upstash-workflow-sdk-version': '1', 'upstash-workflow-runid': 'wfr_x' }
      const signature = await sign({ url, body: log }, currentKey)
      const sent = { ...headers, ...(isRun ? ofRun : {}), 'upstash-signature': signature }
      const response = await app.worker(new Request(url, { method: 'POST', headers: sent, body: log }))
      await response.body?.cancel()
    }
    const paths = fc.constantFrom(...workflowRoutes.map(({ path }) => path))
    const ascii = bodies.map((body) => body.replaceAll(/[^\x20-\x7e]/g, '?'))
    await fc.assert(fc.asyncProperty(paths, steering, ascii, fc.boolean(), property), tries(100))
    await deliverAtHome(app)
    expect(hosts.length).toBeGreaterThan(50)
    expect(hosts.filter((host) => !configured.has(host))).toEqual([])
  })
})

test('an address in a row of the population, or in a header of a delivery, is never asked for', async () => {
  const app = rounds()
  const { db } = app.services
  await addUser(db, 'ada', { name: attacker, interests: [attacker] })
  await addAgent(db, attacker, {
    title: attacker,
    description: attacker,
    avatar: attacker,
    systemRole: attacker,
  })
  await addAgent(db, 'moss', {
    title: attacker,
    description: attacker,
    avatar: attacker,
    review: 'submitted',
  })
  const hosts = watchFetches()
  const ids: string[] = []
  for (const workflow of ['welcome-placeholder', 'agent-welcome']) ids.push((await app.start(workflow)).id)
  const misleading = ['upstash-workflow-url', 'upstash-workflow-invoke-url', 'x-forwarded-host', 'host']
  const headers = Object.fromEntries(misleading.map((name) => [name, attacker]))
  await deliverAtHome(app, headers)
  for (const id of ids) expect((await app.batch(id)).status).toBe('completed')
  expect(hosts.length).toBeGreaterThan(20)
  expect(hosts.filter((host) => !configured.has(host))).toEqual([])
})

/** Delivers what QStash has; it is all for this deployment, or for the model. */
async function deliverAtHome(
  app: ReturnType<typeof rounds>,
  more: Record<string, string> = {},
): Promise<void> {
  await app.deliver({
    fate: ({ url, headers }) => {
      expect(configured).toContain(URL.parse(url)?.host)
      expect(JSON.stringify(headers)).not.toMatch(
        /"upstash-(workflow-)?(failure-)?callback":"(?!https:\/\/rounds\.test\/)http/,
      )
      Object.assign(headers, more)
      return 'normal'
    },
  })
}
