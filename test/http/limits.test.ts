import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { insertUsers } from '../support/population.ts'
import { qstashThatIsDown, resetEverything, rounds } from '../support/rounds.ts'
import { started } from '../support/started.ts'
import { toyWorkflow } from '../support/toy.ts'
import { lane } from '../support/lane.ts'

beforeEach(resetEverything)

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

const headers = { authorization: `Bearer ${lane.bindings.QSTASH_TOKEN}` }

async function pace(workflow = 'toy') {
  const response = await fetch(`${lane.services.qstash}/v2/flowControl/local.${workflow}.execute`, {
    headers,
  })
  return z
    .object({
      parallelismMax: z.number(),
      rateMax: z.number(),
      isPinnedParallelism: z.boolean(),
      isPinnedRate: z.boolean(),
      isPaused: z.boolean(),
    })
    .parse(await response.json())
}

describe('the limits of a batch', () => {
  test('are those of the start, and are pinned at QStash before its first item', async () => {
    const { call, deliver, now } = await started(3)
    await deliver()
    expect(await pace()).toMatchObject({ parallelismMax: 10_000, rateMax: 5000 })
    expect((await now()).status).toBe('completed')
    await call('POST', '/api/admin/workflows/toy/batches', {
      force: true,
      parallelism: 3,
      rate: 17,
      maxOutstanding: 2,
    })
    await deliver()
    expect(await pace()).toEqual({
      parallelismMax: 3,
      rateMax: 17,
      isPinnedParallelism: true,
      isPinnedRate: true,
      isPaused: false,
    })
  })

  test("are the definition's again in the next batch", async () => {
    const { call, deliver } = await started(1)
    await deliver()
    for (const body of [{ rate: 3 }, {}]) {
      await call('POST', '/api/admin/workflows/toy/batches', { force: true, ...body })
      await deliver()
    }
    expect(await pace()).toMatchObject({ rateMax: 5000 })
  })

  test('change while it runs, at QStash too', async () => {
    const { call, id, deliver, worked } = await started(20)
    await deliver({ until: () => worked.length > 3 })
    const answer = await call('PATCH', `/api/admin/batches/${id}`, {
      parallelism: 2,
      rate: 9,
      reason: 'slower',
    })
    expect(answer).toMatchObject({ status: 200, body: { parallelism: 2, rate: 9, maxOutstanding: 1000 } })
    expect(await pace()).toMatchObject({ parallelismMax: 2, rateMax: 9 })
    // One of the two leaves the other as it is.
    await call('PATCH', `/api/admin/batches/${id}`, { rate: 11 })
    expect(await pace()).toMatchObject({ parallelismMax: 2, rateMax: 11 })
    await deliver()
    expect(worked.length).toBe(20)
  })

  test.each([
    ['hold for runs that wait at QStash already', { parallelism: 1 }, 1],
    ['otherwise let items be worked on side by side', { rate: 5000 }, 4],
  ])('%s', async (_, limits, expected) => {
    let atWork = 0
    let most = 0
    let done = 0
    const enough = () => done === 0 || most >= expected
    const app = rounds([
      toyWorkflow(async () => {
        atWork += 1
        most = Math.max(most, done === 0 ? 0 : atWork)
        await sleep(20)
        // A busy machine may take a while to have as many at work as may be.
        for (let wait = 0; !enough() && wait < 50; wait += 1) await sleep(20)
        atWork -= 1
        done += 1
        return { text: '' }
      }),
    ])
    await insertUsers(app.services.db, 30)
    const { id } = await app.start('toy')
    await app.deliver({ concurrency: 1, until: () => done === 1 })
    await app.call('PATCH', `/api/admin/batches/${id}`, limits)
    await app.deliver({ concurrency: 4 })
    expect(done).toBe(30)
    expect(most).toBe(expected)
  })

  test('may let more items be outstanding: the page that waited for room is read at once', async () => {
    const { call, id, deliver, now, worked } = await started(60, { maxOutstanding: 10, pageSize: 10 })
    await deliver({ concurrency: 1, until: () => worked.length === 1 })
    expect((await now()).counts.recorded).toBe(10)
    await call('PATCH', `/api/admin/batches/${id}`, { maxOutstanding: 40 })
    await deliver({
      concurrency: 1,
      fate: ({ url }) => (url.endsWith('execute-user') ? 'lost' : 'normal'),
      until: () => false,
    })
    expect((await now()).counts.recorded).toBeGreaterThanOrEqual(40)
  })

  test('may let fewer be outstanding: no page is read until there is room again', async () => {
    let most = 0
    const app = rounds([
      toyWorkflow(async () => {
        const { counts } = await app.batch(id)
        most = Math.max(most, counts.queued + counts.running)
        return { text: '' }
      }),
    ])
    await insertUsers(app.services.db, 40)
    const { id } = await app.start('toy', { maxOutstanding: 20 })
    await app.call('PATCH', `/api/admin/batches/${id}`, { maxOutstanding: 5 })
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 40 } })
    expect(most).toBeLessThanOrEqual(5)
  })

  test('cannot be changed when it has ended', async () => {
    const { call, id, deliver } = await started(1)
    await deliver()
    expect(await call('PATCH', `/api/admin/batches/${id}`, { rate: 3 })).toMatchObject({
      status: 409,
      body: { error: { details: { status: 'completed' } } },
    })
  })

  test('are said to be refused when QStash did not take them, and are kept for the next try', async () => {
    const { toy, id, call } = await started(1)
    const cutOff = rounds([toy], { QSTASH_URL: qstashThatIsDown })
    expect((await cutOff.call('PATCH', `/api/admin/batches/${id}`, { rate: 3 })).status).toBe(503)
    expect((await call('PATCH', `/api/admin/batches/${id}`, { rate: 3 })).status).toBe(200)
    expect(await pace()).toMatchObject({ rateMax: 3 })
  })

  test.each([
    {},
    { reason: 'only why' },
    { rate: 0 },
    { rate: 1.5 },
    { parallelism: 1001 },
    { maxOutstanding: 0 },
    { speed: 5 },
    { rate: null },
  ])('are not changed by %j', async (body) => {
    const { call, id } = await started(1)
    expect((await call('PATCH', `/api/admin/batches/${id}`, body)).status).toBe(400)
  })

  test('of no batch are a 404', async () => {
    const { call } = rounds()
    expect((await call('PATCH', `/api/admin/batches/${crypto.randomUUID()}`, { rate: 3 })).status).toBe(404)
  })
})
