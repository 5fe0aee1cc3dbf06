import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { userId } from '../support/population.ts'
import { qstashThatIsDown, resetEverything, rounds } from '../support/rounds.ts'
import { itemsOf } from '../workflows/runs.ts'
import { failedBatch } from './failed-batch.ts'

beforeEach(resetEverything)

describe('a retry', () => {
  test('of all failed items works on them again, and on nothing else', async () => {
    const { retry, state, deliver, batch, id, failures } = await failedBatch(60)
    state.broken = false
    expect(await retry({ all: true })).toEqual({
      status: 200,
      body: { retried: 28, alreadyDone: 0, left: 0, notFailed: 0, unknown: 0 },
    })
    expect(await batch(id)).toMatchObject({ status: 'running', counts: { retrying: 28 } })
    await deliver()
    expect(await batch(id)).toMatchObject({
      status: 'completed',
      counts: { recorded: 60, succeeded: 60, failed: 0, retrying: 0 },
    })
    expect(state.worked.length).toBe(28)
    expect(await failures()).toEqual([])
  })

  test('of one group leaves the others failed', async () => {
    const { retry, state, deliver, batch, id, failures } = await failedBatch(30)
    state.broken = false
    const [quota, disk] = await failures()
    await retry({ fingerprint: quota?.fingerprint })
    await deliver()
    expect(await batch(id)).toMatchObject({ status: 'completed', counts: { failed: disk?.count } })
    expect(await failures()).toMatchObject([{ fingerprint: disk?.fingerprint, count: 6 }])
  })

  test('of one item, and of N of them', async () => {
    const { retry, state, deliver, batch, id } = await failedBatch(30)
    state.broken = false
    expect((await retry({ itemIds: [userId(9)] })).body).toEqual({
      retried: 1,
      alreadyDone: 0,
      left: 0,
      notFailed: 0,
      unknown: 0,
    })
    await deliver()
    expect(state.worked).toEqual([userId(9)])
    expect((await retry({ all: true, limit: 4 })).body).toEqual({
      retried: 4,
      alreadyDone: 0,
      left: 9,
      notFailed: 0,
      unknown: 0,
    })
    await deliver()
    expect(state.worked.toSorted()).toEqual([3, 5, 6, 9, 10].map(userId))
    expect((await batch(id)).counts).toMatchObject({ failed: 9, succeeded: 21 })
  })

  test('that fails again blocks nobody, and can be repeated', async () => {
    const { retry, state, deliver, batch, id } = await failedBatch(30)
    for (let round = 1; round <= 3; round += 1) {
      await retry({ all: true })
      await deliver()
      expect(await batch(id)).toMatchObject({ status: 'completed', counts: { failed: 14, succeeded: 16 } })
      expect(state.worked.length).toBe(14 * round)
    }
  })

  test.each([
    {},
    { limit: 5 },
    { all: false },
    { all: true, fingerprint: 'abc' },
    { itemIds: [] },
    { fingerprint: '' },
    { all: true, limit: 0 },
    { everything: true },
  ])('of %j is refused, and nothing is tried', async (body) => {
    const { retry, batch, id } = await failedBatch(6)
    expect((await retry(body)).status).toBe(400)
    expect(await batch(id)).toMatchObject({ status: 'completed', counts: { retrying: 0 } })
  })

  test('of what has not failed, or is unknown, tries nothing', async () => {
    const { retry, batch, id } = await failedBatch(6)
    const none = { retried: 0, alreadyDone: 0, left: 0 }
    expect(await retry({ itemIds: [userId(1), 'nobody', 'nobody'] })).toEqual({
      status: 200,
      body: { ...none, notFailed: 1, unknown: 1 },
    })
    expect(await retry({ fingerprint: 'nothing like it' })).toEqual({
      status: 200,
      body: { ...none, notFailed: 0, unknown: 0 },
    })
    expect((await batch(id)).status).toBe('completed')
  })

  test('never has more outstanding than maxOutstanding', async () => {
    const { retry, state, services, deliver, batch, id } = await failedBatch(45, {
      maxOutstanding: 7,
      pageSize: 5,
    })
    state.broken = false
    await retry({ all: true })
    let most = 0
    await deliver({
      async fate() {
        const { rows } = await services.db.execute(
          sql`select count(*)::int as n from batch_items where status in ('queued', 'running')`,
        )
        most = Math.max(most, Number(rows[0]?.n))
        return 'normal' as const
      },
    })
    expect(await batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 45 } })
    expect(most).toBeGreaterThan(3)
    expect(most).toBeLessThanOrEqual(7)
  })

  test('in a batch that still reads its population comes first, and both are finished', async () => {
    const { retry, state, start, deliver, batch, services, call } = await failedBatch(30, {
      maxOutstanding: 10,
      pageSize: 10,
    })
    await services.db.execute(sql`update results set expires_at = now() - interval '1 day'`)
    state.worked = []
    const { id } = await start('toy', { force: true })
    await deliver({ concurrency: 1, until: () => state.worked.length === 12 })
    state.broken = false
    await call('POST', `/api/admin/batches/${id}/retry`, { all: true })
    await deliver()
    expect(await batch(id)).toMatchObject({
      status: 'completed',
      counts: { recorded: 30, succeeded: 30, failed: 0 },
    })
    expect(retry).toBeDefined()
  })

  test('in a paused batch waits for the resume', async () => {
    const { retry, state, call, deliver, batch, id } = await failedBatch(30)
    state.broken = false
    await retry({ itemIds: [userId(3)] })
    await call('POST', `/api/admin/batches/${id}/pause`)
    expect((await retry({ all: true })).body).toEqual({
      retried: 13,
      alreadyDone: 0,
      left: 0,
      notFailed: 0,
      unknown: 0,
    })
    await deliver()
    expect(state.worked).toEqual([])
    await call('POST', `/api/admin/batches/${id}/resume`)
    await deliver()
    expect(await batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 30 } })
    expect(state.worked.length).toBe(14)
  })

  test('in a batch that is cancelled before it began tries nothing, and the counts add up', async () => {
    const { retry, state, call, deliver, batch, id } = await failedBatch(30)
    await retry({ all: true })
    await call('POST', `/api/admin/batches/${id}/cancel`)
    await deliver()
    expect(await batch(id)).toMatchObject({
      status: 'cancelled',
      counts: { failed: 14, succeeded: 16, retrying: 0 },
    })
    expect(state.worked).toEqual([])
    expect(await retry({ all: true })).toMatchObject({
      status: 409,
      body: { error: { details: { status: 'cancelled' } } },
    })
  })

  test('with an Idempotency-Key is done once, however often it is sent', async () => {
    const { retry, deliver, state } = await failedBatch(30)
    const key = { 'idempotency-key': 'after the fix' }
    const answers = await Promise.all([1, 2, 3].map(() => retry({ all: true }, key)))
    for (const answer of answers) {
      expect(answer).toMatchObject({
        status: 200,
        body: { retried: 14, alreadyDone: 0, left: 0, notFailed: 0, unknown: 0 },
      })
    }
    await deliver()
    expect(state.worked.length).toBe(14)
    // They have failed again, but this retry was made already.
    expect((await retry({ all: true }, key)).body).toMatchObject({ retried: 14 })
    await deliver()
    expect(state.worked.length).toBe(14)
    expect((await retry({ all: true, limit: 3 }, key)).status).toBe(409)
  })

  test('counts the attempts of an item', async () => {
    const app = await failedBatch(3)
    await app.retry({ all: true })
    await app.deliver()
    const { rows } = await app.services.db.execute(
      sql`select item_id, attempt from batch_items order by item_id`,
    )
    expect(rows.map(({ attempt }) => attempt)).toEqual([1, 1, 2])
    expect((await itemsOf(app, app.id)).map(({ claims }) => claims)).toEqual([1, 1, 2])
  })
})

test('a retry that QStash was not told of is triggered when it is asked for again with its key', async () => {
  const app = await failedBatch(15)
  app.state.broken = false
  const cutOff = rounds([app.toy], { QSTASH_URL: qstashThatIsDown })
  const path = `/api/admin/batches/${app.id}/retry`
  const key = { 'idempotency-key': 'again' }
  expect((await cutOff.call('POST', path, { all: true }, key)).status).toBe(503)
  expect(await app.batch(app.id)).toMatchObject({ status: 'running', counts: { retrying: 7 } })
  expect(await app.retry({ all: true }, key)).toEqual({
    status: 200,
    body: { retried: 7, alreadyDone: 0, left: 0, notFailed: 0, unknown: 0 },
  })
  await app.deliver()
  expect(await app.batch(app.id)).toMatchObject({ status: 'completed', counts: { succeeded: 15 } })
})
