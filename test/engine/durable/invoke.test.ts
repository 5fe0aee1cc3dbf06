import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { sql } from 'drizzle-orm'
import { users } from '../../../src/db/schema.ts'
import { cancelBatch } from '../../../src/engine/ledger/cancel-batch.ts'
import { reconcile } from '../../../src/engine/reconcile.ts'
import { PermanentError } from '../../../src/errors.ts'
import type { Workflow } from '../../../src/workflows/contract.ts'
import { inputVersion } from '../../../src/workflows/input-version.ts'
import type { Fate, PendingDelivery } from '../../support/deliveries.ts'
import { insertUsers, userId } from '../../support/population.ts'
import { isItemOf } from '../../support/reconciling.ts'
import { resetEverything, rounds } from '../../support/rounds.ts'
import { durableToy, toyWorkflow } from '../../support/toy.ts'
import { caller } from './caller.ts'

beforeEach(resetEverything)

const strict = { ...toyWorkflow(() => Promise.resolve({ text: '' })), params: z.strictObject({}) }
const emptyPopulation: Workflow['population'] = ({ db }) =>
  db
    .select({ id: users.id, version: inputVersion(users.id) })
    .from(users)
    .where(sql`false`)
const lateSecond = (delivery: PendingDelivery): Fate => (isItemOf(userId(2))(delivery) ? 'lost' : 'normal')

const loseToy = ({ url }: PendingDelivery): Fate => (url.endsWith('/toy/execute-user') ? 'lost' : 'normal')

async function call(
  toy: Workflow,
  options: { timeout?: Parameters<typeof caller>[0]; first?: boolean } = {},
) {
  const app = rounds([toy, caller(options.timeout)])
  await insertUsers(app.services.db, 1)
  if (options.first === true) {
    await app.start('toy')
    await app.deliver()
  }
  const { id } = await app.start('caller')
  return {
    ...app,
    id,
    heard: async () => {
      const found = await app.call('GET', `/api/admin/batches/${id}/items/${userId(1)}`)
      expect(found.body).toMatchObject({ status: 'succeeded' })
      const { rows } = await app.services.db.execute(
        sql`select data->>'heard' as heard from results where workflow = 'caller'`,
      )
      return z.json().parse(JSON.parse(z.object({ heard: z.string() }).parse(rows[0]).heard))
    },
  }
}

describe('an item that invokes another one', () => {
  test('gets its result, whatever kind of workflow it is of', async () => {
    const app = await call(toyWorkflow((_, id) => Promise.resolve({ text: `hello ${id}` })))
    await app.deliver({ fate: () => 'twice' })
    expect(await app.heard()).toEqual({ status: 'succeeded', data: { text: `hello ${userId(1)}` } })
  })

  test('waits for days for one that lasts for days', async () => {
    const toy = durableToy(async (_, { sleep }) => {
      await sleep('long', '20 hours')
      return { text: 'late' }
    })
    const app = await call(toy)
    await app.deliver()
    expect(await app.heard()).toEqual({ status: 'succeeded', data: { text: 'late' } })
  })

  test('is told at once of one that had ended before', async () => {
    const app = await call(
      toyWorkflow(() => Promise.resolve({ text: 'before' })),
      { first: true },
    )
    await app.deliver()
    expect(await app.heard()).toEqual({ status: 'succeeded', data: { text: 'before' } })
  })

  test('hears that it has failed', async () => {
    const app = await call(toyWorkflow(() => Promise.reject(new PermanentError('no'))))
    await app.deliver()
    expect(await app.heard()).toEqual({ status: 'failed', data: null })
  })

  test('hears that its batch was cancelled', async () => {
    const app = await call(
      durableToy(async (_, { sleep }) => {
        await sleep('long', '20 hours')
        return { text: 'never' }
      }),
    )
    await app.deliver({ longestSkipMs: 900_000 })
    const { body } = await app.call('GET', '/api/admin/batches?workflow=toy')
    const [{ id }] = z.object({ data: z.tuple([z.object({ id: z.string() })]) }).parse(body).data
    await app.call('POST', `/api/admin/batches/${id}/cancel`)
    await app.deliver({ longestSkipMs: 900_000 })
    expect(await app.heard()).toEqual({ status: 'cancelled', data: null })
  })

  test.each([
    ['whose Worker died before it could tell', (toy: Workflow) => [toy]],
    ['whose workflow is not deployed any more', () => []],
  ])('hears from the tick of a cancelled one %s', async (_, deployed) => {
    const toy = toyWorkflow(() => Promise.resolve({ text: 'never' }))
    const app = await call(toy)
    await app.deliver({ fate: loseToy, longestSkipMs: 2000 })
    const { rows } = await app.services.db.execute(sql`select id from batches where workflow = 'toy'`)
    const { id } = z.object({ id: z.string() }).parse(rows[0])
    const by = { actor: 'test', reason: null }
    expect(await cancelBatch(app.services.db, id, by)).toMatchObject({ isInvoked: true })
    await reconcile(app.services, deployed(toy))
    await app.deliver({ longestSkipMs: 900_000 })
    expect(await app.heard()).toEqual({ status: 'cancelled', data: null })
  })

  test('waits no longer than it wants to', async () => {
    const toy = durableToy(async (_, { sleep }) => {
      await sleep('long', '20 hours')
      return { text: 'late' }
    })
    const app = await call(toy, { timeout: '1 hour' })
    await app.deliver()
    expect(await app.heard()).toBe(null)
  })

  test.each<[string, Workflow[], string]>([
    ['of no workflow that is deployed', [], 'toy is not part of this deployment'],
    ['with params that do not fit', [strict], 'the params do not fit'],
  ])('fails when it invokes one %s', async (_, toys, message) => {
    const app = rounds([...toys, caller()])
    await insertUsers(app.services.db, 1)
    const { id } = await app.start('caller')
    await app.deliver()
    const { body } = await app.call('GET', `/api/admin/batches/${id}/items/${userId(1)}`)
    expect(body).toMatchObject({ status: 'failed' })
    expect(JSON.stringify(body)).toContain(message)
  })

  test('fails when there is no such item', async () => {
    const nobody = { ...toyWorkflow(() => Promise.resolve({ text: '' })), population: emptyPopulation }
    const app = rounds([nobody, caller()])
    await insertUsers(app.services.db, 1)
    const { id } = await app.start('caller')
    await app.deliver()
    const { body } = await app.call('GET', `/api/admin/batches/${id}/items/${userId(1)}`)
    expect(JSON.stringify(body)).toContain('cannot be started: unknown')
  })

  test('hears only of what it has invoked itself', async () => {
    const toy = durableToy(
      async ({ params }, { sleep }) => {
        await sleep('rest', params.tag === 'short' ? '1 hour' : '10 hours')
        return { text: `of ${params.tag}` }
      },
      { scope: ({ tag }) => tag, completion: 'started' },
    )
    const app = rounds([toy, { ...caller(), completion: 'started' }])
    await insertUsers(app.services.db, 1)
    for (const tag of ['short', 'long']) {
      const path = `/api/admin/workflows/caller/items/${userId(1)}`
      expect(await app.call('POST', path, { params: { tag } })).toMatchObject({ status: 201 })
      await app.deliver({ longestSkipMs: 900_000 })
    }
    await app.deliver()
    const { rows } = await app.services.db.execute(
      sql`select scope, data->>'heard' as heard from results where workflow = 'caller' order by scope`,
    )
    expect(rows).toEqual([
      { scope: 'long', heard: expect.stringContaining('of long') },
      { scope: 'short', heard: expect.stringContaining('of short') },
    ])
  })

  test('undoes the invoking when it fails later', async () => {
    const acts: string[] = []
    const failing = caller('1 day', {
      before: ({ compensate }) => compensate('ask', async () => void acts.push('undo')),
      after: ({ step }) => step('then', () => Promise.reject(new PermanentError('no'))),
    })
    const app = rounds([toyWorkflow((_, id) => Promise.resolve({ text: id })), failing])
    await insertUsers(app.services.db, 1)
    await app.start('caller')
    await app.deliver()
    expect(acts).toEqual(['undo'])
  })

  test('comes back later while the kill switch of the other workflow is on', async () => {
    const app = await call(toyWorkflow(() => Promise.resolve({ text: 'late' })))
    await app.call('PUT', '/api/admin/kill-switches/toy', { on: true })
    await app.deliver({ longestSkipMs: 20_000 })
    await app.call('PUT', '/api/admin/kill-switches/toy', { on: false })
    await app.deliver()
    expect(await app.heard()).toEqual({ status: 'succeeded', data: { text: 'late' } })
  })

  test('hears how one stands that the active batch has had', async () => {
    const toy = toyWorkflow((_, id) => Promise.reject(new PermanentError(id)))
    const app = rounds([toy, caller()])
    await insertUsers(app.services.db, 2)
    await app.start('toy', { limit: 2 })
    await app.deliver({ until: () => false, fate: lateSecond, longestSkipMs: 2000, concurrency: 1 })
    const started = await app.call('POST', `/api/admin/workflows/caller/items/${userId(1)}`)
    const { batchId } = z.object({ batchId: z.string() }).parse(started.body)
    await app.deliver({ fate: lateSecond, longestSkipMs: 2000 })
    const { body } = await app.call('GET', `/api/admin/batches/${batchId}/items/${userId(1)}`)
    expect(body).toMatchObject({ status: 'succeeded' })
    expect(JSON.stringify(body)).toContain('"status":"failed"')
  })
})

test('what was invoked after a step that is undone stands, and the retry has heard of its end', async () => {
  let fails = true
  const toy = toyWorkflow((_, id) => Promise.resolve({ text: `hello ${id}` }), { freshFor: '300 days' })
  const calls = caller('1 day', {
    before: async ({ step, compensate }) => {
      compensate('reserve', async () => undefined)
      await step('reserve', async () => 'x')
    },
    after: ({ step }) =>
      step('last', async () => {
        if (fails) throw new PermanentError('no')
      }),
  })
  const app = rounds([toy, calls])
  await insertUsers(app.services.db, 1)
  const { id } = await app.start('caller')
  await app.deliver()
  fails = false
  await app.call('POST', `/api/admin/batches/${id}/retry`, { all: true, confirm: true })
  await app.deliver()
  const { rows } = await app.services.db.execute(`select data from results where workflow = 'caller'`)
  expect(rows).toEqual([
    { data: { heard: JSON.stringify({ status: 'succeeded', data: { text: `hello ${userId(1)}` } }) } },
  ])
})
