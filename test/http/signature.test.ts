import { beforeEach, describe, expect, test } from 'vitest'
import { batches, batchItems, plans, results } from '../../src/db/schema.ts'
import type { Fate, PendingDelivery } from '../support/deliveries.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { addAgent, addUser } from '../workflows/records.ts'
import { timesAsked } from '../workflows/runs.ts'
import { expectError, unauthorized } from './error-shape.ts'
import agentWelcome from '../../src/workflows/agent-welcome/definition.ts'
import welcomePlaceholder from '../../src/workflows/welcome-placeholder/definition.ts'
import { workflowRoutes } from './routes.ts'
import { currentKey, nextKey, now, sign, unsigned } from './signed.ts'

beforeEach(resetEverything)

type Rounds = ReturnType<typeof rounds>
type Forgery = (delivery: { url: string; body: string }) => Promise<string | undefined>

const forgeries: [what: string, forge: Forgery][] = [
  ['no signature', async () => undefined],
  ['an empty one', async () => ''],
  ['garbage', async () => 'garbage'],
  ['garbage in three parts', async () => 'a.b.c'],
  ['another key', (delivery) => sign(delivery, 'sig_of_someone_else')],
  ['another body', ({ url }) => sign({ url, body: '{}' }, currentKey)],
  ['a longer body', ({ url, body }) => sign({ url, body: `${body} ` }, currentKey)],
  ['another route', (delivery) => sign({ ...delivery, url: otherRoute(delivery.url) }, currentKey)],
  ['another deployment', ({ body, url }) => sign({ body, url: elsewhere(url) }, currentKey)],
  ['the same route with a query', ({ body, url }) => sign({ body, url: `${url}?x=1` }, currentKey)],
  ['an hour ago', (delivery) => sign({ ...delivery, from: now() - 3600, until: now() - 3300 }, currentKey)],
  [
    'an hour from now',
    (delivery) => sign({ ...delivery, from: now() + 3600, until: now() + 3900 }, currentKey),
  ],
  ['another issuer', (delivery) => sign({ ...delivery, issuer: 'Someone' }, currentKey)],
  ['no algorithm', unsigned],
]

/** The workflows whose layers every forgery is tried on; all others are behind the same middleware. */
const forged = [welcomePlaceholder, agentWelcome]
const paths = workflowRoutes
  .map(({ path }) => path)
  .filter((path) => forged.some(({ name }) => path.startsWith(`/api/workflows/${name}/`)))
const elsewhere = (url: string) => url.replace('rounds.test', 'rounds.example')
const otherRoute = (url: string) => {
  const { origin, pathname } = new URL(url)
  return origin + (paths[(paths.indexOf(pathname) + 1) % paths.length] ?? '')
}

async function everythingStored({ services: { db } }: Rounds) {
  return {
    batches: await db.select().from(batches),
    items: await db.select().from(batchItems),
    results: await db.select().from(results),
    plans: await db.select().from(plans),
    asked: await timesAsked(),
  }
}

async function send(app: Rounds, delivery: PendingDelivery, signature: string | undefined) {
  const headers = new Headers(delivery.headers)
  headers.delete('upstash-signature')
  if (signature !== undefined) headers.set('upstash-signature', signature)
  const { url, method, body } = delivery
  const response = await app.worker(new Request(url, { method, headers, body }))
  return { status: response.status, body: await response.json() }
}

async function startBoth(app: Rounds) {
  await addUser(app.services.db, 'ada')
  await addAgent(app.services.db, 'guide', { userId: 'ada' })
  const users = await app.start('welcome-placeholder')
  const agents = await app.start('agent-welcome')
  return [users.id, agents.id]
}

describe('the layers of the workflows', () => {
  test.for(forgeries)('refuse every real delivery signed with %s, and nothing happens', async ([, forge]) => {
    const app = rounds(forged)
    const ids = await startBoth(app)
    const reached = new Set<string>()
    await app.deliver({
      concurrency: 1,
      fate: async (delivery): Promise<Fate> => {
        const before = await everythingStored(app)
        const answer = await send(app, delivery, await forge(delivery))
        expectError(answer, unauthorized)
        expect(await everythingStored(app)).toEqual(before)
        reached.add(new URL(delivery.url).pathname)
        return 'normal'
      },
    })
    expect([...reached].toSorted()).toEqual(paths.toSorted())
    for (const id of ids) expect((await app.batch(id)).counts).toMatchObject({ recorded: 1, succeeded: 1 })
  })

  test('take deliveries signed with the next key, as while keys are rolled', async () => {
    const app = rounds(forged)
    const ids = await startBoth(app)
    const reached = new Set<string>()
    await app.deliver({
      fate: async (delivery): Promise<Fate> => {
        delivery.headers['upstash-signature'] = await sign(delivery, nextKey)
        reached.add(new URL(delivery.url).pathname)
        return 'normal'
      },
    })
    expect([...reached].toSorted()).toEqual(paths.toSorted())
    for (const id of ids) expect((await app.batch(id)).counts).toMatchObject({ recorded: 1, succeeded: 1 })
  })

  test('are open to nobody who has only the admin token', async () => {
    const app = rounds()
    await addUser(app.services.db, 'ada')
    for (const { path } of workflowRoutes)
      expectError(await app.call('POST', path, { force: true }), unauthorized)
    expect(await everythingStored(app)).toEqual({ batches: [], items: [], results: [], plans: [], asked: 0 })
  })

  test('refuse a delivery whose headers a sender added to a true signature of another body', async () => {
    const app = rounds()
    const url = `https://rounds.test${paths[0]}`
    const headers = { 'upstash-workflow-is-failure': 'true', 'upstash-workflow-init': 'false' }
    const forged = { id: '', url, method: 'POST', headers, body: '{"batchId":"x"}' }
    expectError(await send(app, forged, await sign({ url, body: '' }, currentKey)), unauthorized)
  })
})
