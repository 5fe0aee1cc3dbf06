import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { insertUsers, userId } from '../support/population.ts'
import { qstashThatIsDown, resetEverything, rounds } from '../support/rounds.ts'
import { durableToy, toyWorkflow } from '../support/toy.ts'

beforeEach(resetEverything)

const [first, second, third] = [userId(1), userId(2), userId(3)]
const started = z.object({ batchId: z.string(), outcome: z.string() })

async function deployed(users = 3, workflow = toyWorkflow((_, id) => Promise.resolve({ text: id }))) {
  const app = rounds([workflow])
  await insertUsers(app.services.db, users)
  const startItem = (id: string, body: unknown = {}, headers: Record<string, string> = {}) =>
    app.call('POST', `/api/admin/workflows/toy/items/${encodeURIComponent(id)}`, body, headers)
  return {
    ...app,
    startItem,
    /** Starts an item and says which batch it is in. */
    begin: async (...args: Parameters<typeof startItem>) => started.parse((await startItem(...args)).body),
    item: (batchId: string, id: string) => app.call('GET', `/api/admin/batches/${batchId}/items/${id}`),
  }
}

describe('one item', () => {
  test('is started alone, in a batch of its own that ends with it', async () => {
    const app = await deployed()
    const answer = await app.startItem(first, { reason: 'the owner asked' })
    expect(answer).toMatchObject({ status: 201, body: { itemId: first, outcome: 'opened' } })
    await app.deliver()
    const { batchId } = started.parse(answer.body)
    expect(await app.batch(batchId)).toMatchObject({
      status: 'completed',
      counts: { recorded: 1, succeeded: 1 },
    })
    expect(await app.item(batchId, first)).toMatchObject({
      status: 200,
      body: { status: 'succeeded', steps: [] },
    })
    const proof = await app.call('GET', `/api/admin/batches/${batchId}/proof`)
    expect(proof.body).toMatchObject({ balanced: true, mismatches: [] })
    const log = await app.call('GET', '/api/admin/changes')
    expect(JSON.stringify(log.body)).toContain('"reason":"the owner asked"')
  })

  test('joins the active batch, whose counts have it', async () => {
    const app = await deployed(2)
    const { id } = await app.start('toy', { limit: 1 })
    await app.deliver({
      until: () => false,
      fate: (d) => (d.url.endsWith('/execute-user') ? 'lost' : 'normal'),
    })
    await app.call('POST', `/api/admin/batches/${id}/pause`)
    expect(await app.begin(second)).toEqual({ batchId: id, outcome: 'joined' })
    await app.call('POST', `/api/admin/batches/${id}/resume`)
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { recorded: 2 } })
    expect(await app.item(id, second)).toMatchObject({ body: { status: 'succeeded' } })
  })

  test('is started once with the same key, and no other with it', async () => {
    const app = await deployed()
    const headers = { 'idempotency-key': 'monday' }
    const { batchId } = await app.begin(first, {}, headers)
    await app.deliver()
    const again = await app.startItem(first, {}, headers)
    expect(again).toMatchObject({ status: 200, body: { batchId, outcome: 'repeated' } })
    expect(await app.startItem(second, {}, headers)).toMatchObject({ status: 409 })
    await app.deliver()
    expect(await app.batch(batchId)).toMatchObject({ counts: { recorded: 1, succeeded: 1 } })
  })

  test('is started once by many who ask at the same time', async () => {
    const app = await deployed()
    const answers = await Promise.all(Array.from({ length: 6 }, () => app.startItem(first)))
    expect(
      answers
        .map(({ status }) => String(status))
        .toSorted()
        .join(' '),
    ).toBe('201 409 409 409 409 409')
    await app.deliver()
    const list = await app.call('GET', '/api/admin/batches')
    expect(list.body).toMatchObject({ data: [{ counts: { recorded: 1, succeeded: 1 } }] })
  })

  test.each([
    ['that nobody has', 'u9', 404],
    ['with a slash and more', 'a/b?c#d é', 404],
    ['that is long', 'x'.repeat(500), 404],
    ['that is longer', 'x'.repeat(501), 400],
  ])('%s is no item', async (_, id, status) => {
    const app = await deployed()
    expect((await app.startItem(id)).status).toBe(status)
  })

  test('is left alone while a batch holds it, and when its result is fresh', async () => {
    const app = await deployed()
    const { batchId } = await app.begin(first)
    expect(await app.startItem(first)).toMatchObject({
      status: 409,
      body: { error: { details: { batchId } } },
    })
    await app.deliver()
    expect(await app.startItem(first)).toMatchObject({ status: 409 })
    expect(await app.startItem(first, { force: true })).toMatchObject({ status: 201 })
    await app.deliver()
  })

  test('waits until the active batch is of the same params, and has room', async () => {
    const app = await deployed(3)
    const { id } = await app.start('toy', { limit: 1, maxOutstanding: 1 })
    expect(await app.startItem(third)).toMatchObject({
      status: 409,
      body: { error: { details: { activeBatchId: id } } },
    })
    await app.deliver({
      until: () => false,
      fate: (d) => (d.url.endsWith('/execute-user') ? 'lost' : 'normal'),
    })
    expect(await app.startItem(third, { params: { tag: 'other' } })).toMatchObject({ status: 409 })
  })

  test('is started by the same request again when QStash could not be told of it', async () => {
    const workflow = durableToy(async ({ id }, { step }) => ({ text: await step('only', async () => id) }))
    const app = await deployed(1, workflow)
    const cutOff = rounds([workflow], { QSTASH_URL: qstashThatIsDown })
    const answer = await cutOff.call(
      'POST',
      `/api/admin/workflows/toy/items/${first}`,
      {},
      { 'idempotency-key': 'k' },
    )
    expect(answer.status).toBe(503)
    expect(await app.startItem(first, {}, { 'idempotency-key': 'k' })).toMatchObject({ status: 200 })
    await app.deliver()
    const list = await app.call('GET', '/api/admin/batches')
    expect(list.body).toMatchObject({ data: [{ status: 'completed', counts: { succeeded: 1 } }] })
  })

  test('that has a result is begun again only by force that is confirmed, where that is not safe', async () => {
    const app = await deployed(
      1,
      durableToy(async ({ id }) => ({ text: id })),
    )
    const { batchId } = await app.begin(first)
    await app.deliver()
    const refused = await app.startItem(first, { force: true })
    expect(refused).toMatchObject({ status: 409, body: { error: { details: { again: 1 } } } })
    expect(await app.startItem(first, { force: true, confirm: true })).toMatchObject({ status: 201 })
    expect(await app.item(batchId, second)).toMatchObject({ status: 404 })
  })
})

test('an item that waits is given an event, once, and who gave it is logged', async () => {
  const app = await deployed(
    1,
    durableToy(
      async (_, { waitForEvent }) => ({
        text: (await waitForEvent('word', { data: z.string(), timeout: '1 day' })) ?? 'none',
      }),
      { events: { word: z.string() } },
    ),
  )
  const { batchId } = await app.begin(first)
  await app.deliver({ longestSkipMs: 900_000 })
  const give = (data: unknown) =>
    app.call('POST', `/api/admin/workflows/toy/items/${first}/events/word`, { data, reason: 'by phone' })
  expect(await give(7)).toMatchObject({
    status: 400,
    body: { error: { details: [{ path: 'data', message: expect.stringContaining('expected string') }] } },
  })
  const told = {
    status: 200,
    body: { itemId: first, event: 'word', items: [{ batchId, waiting: true }] },
  }
  expect(await give('first')).toMatchObject(told)
  expect(await give('first')).toMatchObject(told)
  expect(await give('second')).toMatchObject({
    status: 409,
    body: {
      error: { message: expect.stringContaining('has got another word'), details: { batchIds: [batchId] } },
    },
  })
  await app.deliver()
  expect(await app.item(batchId, first)).toMatchObject({ body: { status: 'succeeded' } })
  const { rows } = await app.services.db.execute('select data from results')
  expect(rows).toEqual([{ data: { text: 'first' } }])
  expect(await give('third')).toMatchObject({
    status: 409,
    body: { error: { message: `item ${first} of toy has ended: succeeded` } },
  })
  const other = (event: string, data?: unknown) =>
    app.call('POST', `/api/admin/workflows/toy/items/${first}/events/${event}`, { data })
  expect(await other('a:b', 1)).toMatchObject({ status: 400 })
  expect(await other('wrod', 'first')).toMatchObject({
    status: 400,
    body: { error: { message: 'toy does not take the event wrod, but only word' } },
  })
  expect(await other('word')).toMatchObject({ status: 400, body: { error: { details: [{ path: 'data' }] } } })
  const log = await app.call('GET', `/api/admin/changes?batchId=${batchId}`)
  const given = z.object({ data: z.array(z.object({ action: z.string(), reason: z.string().nullable() })) })
  expect(given.parse(log.body).data.filter(({ action }) => action === 'item.event')).toEqual([
    { action: 'item.event', reason: 'by phone' },
  ])
})

test('an item is found by its id, in every batch that has it', async () => {
  const app = await deployed(
    2,
    durableToy(async () => ({ text: 'done' }), { freshFor: '0 seconds' }),
  )
  const batchIds = []
  for (let n = 1; n <= 2; n += 1) {
    batchIds.unshift((await app.begin(first)).batchId)
    await app.deliver()
  }
  const found = await app.call('GET', `/api/admin/workflows/toy/items/${first}`)
  expect(found).toMatchObject({
    status: 200,
    body: { data: batchIds.map((batchId) => ({ batchId, id: first, status: 'succeeded' })) },
  })
  expect(await app.call('GET', '/api/admin/workflows/toy/items/nobody')).toMatchObject({ body: { data: [] } })
})

test('batches that are not over are found, also completed ones of which items still wait', async () => {
  const sleeper = durableToy(
    async (_, { sleep }) => {
      await sleep('week', '7 days')
      return { text: 'x' }
    },
    { completion: 'started' },
  )
  const app = await deployed(1, sleeper)
  const { batchId } = await app.begin(first)
  await app.deliver({ longestSkipMs: 900_000 })
  expect(await app.batch(batchId)).toMatchObject({ status: 'completed', counts: { waiting: 1 } })
  const found = async (query: string) => {
    const { body } = await app.call('GET', `/api/admin/batches?${query}`)
    return z
      .object({ data: z.array(z.object({ id: z.string() })) })
      .parse(body)
      .data.map(({ id }) => id)
  }
  expect([await found('open=true'), await found('open=false')]).toEqual([[batchId], []])
  await app.deliver()
  expect([await found('open=true'), await found('open=false')]).toEqual([[], [batchId]])
})
