import { hc } from 'hono/client'
import { beforeEach, describe, expect, expectTypeOf, test } from 'vitest'
import type { AdminApi } from '../../src/http/admin/routes.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { addUser } from '../workflows/records.ts'
import { deliverThrough } from './batches.ts'

beforeEach(resetEverything)

type Rounds = ReturnType<typeof rounds>
type BatchStatus =
  'queued' | 'starting' | 'running' | 'paused' | 'completed' | 'cancelled' | 'failed' | 'skipped'

/** A client whose requests go straight to the app, as another program's would over the network. */
const clientOf = (app: Rounds, token = app.services.env.ADMIN_TOKEN) =>
  hc<AdminApi>('https://rounds.test', {
    headers: { authorization: `Bearer ${token}` },
    fetch: (input: string | URL | Request, init?: RequestInit) => app.worker(new Request(input, init)),
  }).api.admin

describe('a typed client', () => {
  test('plans, starts, watches and ends a batch, and knows what it is answered', async () => {
    const app = rounds()
    const client = clientOf(app)
    for (const id of ['ada', 'bob']) await addUser(app.services.db, id)
    const param = { name: 'welcome-placeholder' }

    const starting = client.workflows[':name'].batches
    const plan = await starting.$post({ param, header: {}, json: { dryRun: true } })
    if (plan.status !== 200) throw new Error(`the plan was answered with ${plan.status}`)
    expect(await plan.json()).toMatchObject({ dryRun: true, toProcess: 2 })

    const started = await starting.$post({
      param,
      header: { 'idempotency-key': 'monday' },
      json: { params: { paidOnly: false }, budget: { tokens: 100_000 }, reason: 'a try' },
    })
    if (started.status !== 201) throw new Error(`the start was answered with ${started.status}`)
    const batch = await started.json()
    expectTypeOf(batch.status).toEqualTypeOf<BatchStatus>()
    expectTypeOf(batch.counts.recorded).toEqualTypeOf<number>()
    expectTypeOf(batch.budget).toEqualTypeOf<{ tokens?: number; usd?: number } | null>()
    expect(batch).toMatchObject({ status: 'starting', budget: { tokens: 100_000 } })

    const at = { param: { id: batch.id } }
    await deliverThrough(app, '/process-users')
    const paused = await client.batches[':id'].pause.$post({ ...at, json: { reason: 'lunch' } })
    expect(paused.status).toBe(200)
    const limited = await client.batches[':id'].$patch({ ...at, json: { rate: 3, tolerate: null } })
    expect(await limited.json()).toMatchObject({ status: 'paused', rate: 3, tolerate: null })
    expect((await client.batches[':id'].resume.$post({ ...at, header: {}, json: {} })).status).toBe(200)
    await app.deliver()

    const items = await client.batches[':id'].items.$get({
      ...at,
      query: { status: 'succeeded', limit: '1' },
    })
    if (items.status !== 200) throw new Error(`the items were answered with ${items.status}`)
    const { data, nextCursor } = await items.json()
    expectTypeOf(nextCursor).toEqualTypeOf<string | null>()
    expect([data.map(({ id }) => id), nextCursor]).toEqual([['ada'], 'ada'])
  })

  test('is told in a typed way what is wrong', async () => {
    const client = clientOf(rounds(), 'another token than that one')
    const answer = await client.batches.$get({ query: {} })
    expect(answer.status).toBe(401)
    if (answer.status === 200) return
    const { error } = await answer.json()
    expectTypeOf(error.code).toEqualTypeOf<string>()
    expect(error).toEqual({ code: 'unauthorized', message: expect.any(String) })
  })

  test('builds the URLs of the document', () => {
    const client = clientOf(rounds())
    expect(client.batches[':id'].failures.$url({ param: { id: '7' } }).pathname).toBe(
      '/api/admin/batches/7/failures',
    )
    expect(client['kill-switches'][':workflow'].$url({ param: { workflow: 'all' } }).pathname).toBe(
      '/api/admin/kill-switches/all',
    )
  })
})

/** Never called: what must not compile. */
export function mistakes(client: ReturnType<typeof clientOf>) {
  const { batches, workflows, tokens } = client
  return [
    // @ts-expect-error there is no such route
    client.bathces,
    // @ts-expect-error the id is missing
    batches[':id'].$get({ param: {} }),
    // @ts-expect-error it is called id
    batches[':id'].$get({ param: { batchId: '7' } }),
    // @ts-expect-error an id is a text
    batches[':id'].$get({ param: { id: 7 } }),
    // @ts-expect-error nothing deletes a batch
    batches[':id'].$delete({ param: { id: '7' } }),
    // @ts-expect-error no batch is done
    batches.$get({ query: { status: 'done' } }),
    // @ts-expect-error a limit is a number of items
    workflows[':name'].batches.$post({ param: { name: 'x' }, header: {}, json: { limit: 'all' } }),
    // @ts-expect-error it is on or off
    client['kill-switches'][':workflow'].$put({ param: { workflow: 'all' }, json: { on: 'yes' } }),
    // @ts-expect-error nobody makes an admin
    tokens.$post({ json: { name: 'ada', role: 'admin' } }),
  ]
}
