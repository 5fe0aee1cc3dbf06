import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { RetryLaterError } from '../../../src/errors.ts'
import { qstash, type Fate } from '../../support/deliveries.ts'
import { insertUsers } from '../../support/population.ts'
import { local, resetEverything, rounds } from '../../support/rounds.ts'
import { askModel, toyWorkflow } from '../../support/toy.ts'
import { itemsOf, timesAsked } from '../../workflows/runs.ts'
import { lane } from '../../support/lane.ts'

beforeEach(resetEverything)

/** What QStash says of the pace of the toy's items. */
async function pace() {
  const response = await fetch(`${lane.services.qstash}/v2/flowControl/local.toy.execute`, {
    headers: { authorization: `Bearer ${lane.bindings.QSTASH_TOKEN}` },
  })
  return z
    .object({ parallelismMax: z.number(), rateMax: z.number(), isPinnedRate: z.boolean() })
    .parse(await response.json())
}

async function asking(users: number) {
  const app = rounds([toyWorkflow(askModel)], { FLOW_CONTROL_FACTOR: '1' })
  await insertUsers(app.services.db, users)
  return app
}

describe('a model that asks for patience', () => {
  test.each([
    ['429 with Retry-After', { status: 429, retryAfterSeconds: 20 }],
    ['429 without', { status: 429 }],
    ['503 with Retry-After', { status: 503, retryAfterSeconds: 20 }],
  ])('(%s) is asked again later, and no try is counted', async (_, rule) => {
    const app = await asking(5)
    await local('model', 'faults', { rules: [{ ...rule, timesPerPrompt: 6 }] })
    const { id } = await app.start('toy', { tolerate: { count: 0 } })
    await app.deliver()

    // More refusals than an item has tries, and none of them a failure for the breaker.
    expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 5, failed: 0 } })
    expect(await timesAsked()).toBe(5 * 7)
    expect((await itemsOf(app, id)).map(({ claims }) => claims)).toEqual([7, 7, 7, 7, 7])
  })

  test('is given the time it asks for', async () => {
    const app = await asking(1)
    await local('model', 'faults', { rules: [{ status: 429, retryAfterSeconds: 120, times: 1 }] })
    const { id } = await app.start('toy')
    await app.deliver({ concurrency: 1 })
    const { rows } = await app.services.db.execute(
      sql`select attempt from batch_items where batch_id = ${id}::uuid`,
    )
    expect(rows).toEqual([{ attempt: 2 }])
    const clock = await (await qstash('/local/clock/advance', { ms: 0 })).json()
    const { now } = z.object({ now: z.number() }).parse(clock)
    // The local QStash's clock has been moved on to when the item was due.
    expect(now - Date.now()).toBeGreaterThan(100_000)
  })

  test('slows the batch down, once for many refusals at a time, and it speeds up again after a calm', async () => {
    const app = await asking(60)
    await local('model', 'faults', { rules: [{ status: 429, retryAfterSeconds: 1, times: 8 }] })
    const { id } = await app.start('toy', { rate: 40, parallelism: 7 })
    await app.deliver({ concurrency: 8, until: () => false })
    // The calm is measured by the database's clock, which the test does not move.
    const slowed = await app.batch(id)
    expect(slowed).toMatchObject({ status: 'completed', throttledRate: 20 })
    expect(await pace()).toEqual({ parallelismMax: 7, rateMax: 20, isPinnedRate: true })
  })

  test('speeds up step by step until the batch has its own rate again', async () => {
    const app = await asking(10)
    const { db } = app.services
    const calmBefore = (seconds: number) =>
      db.execute(sql`update batches set throttled_at = now() - make_interval(secs => ${seconds})`)
    const { id } = await app.start('toy', { rate: 40, maxOutstanding: 1 })
    const rates: (number | null)[] = []
    await local('model', 'faults', { rules: [{ status: 429, retryAfterSeconds: 1, times: 2 }] })
    await app.deliver({
      concurrency: 1,
      async fate({ url }): Promise<Fate> {
        if (!url.endsWith('/execute-user')) return 'normal'
        await calmBefore(31)
        rates.push((await app.batch(id)).throttledRate)
        return 'normal'
      },
    })
    const changes = rates.filter((rate, index) => rate !== rates[index - 1])
    expect(changes).toEqual([null, 20, 10, 20, null])
    expect(await pace()).toMatchObject({ rateMax: 40 })
  })

  test('never brings the rate below one a second', async () => {
    const app = await asking(1)
    await local('model', 'faults', { rules: [{ status: 429, retryAfterSeconds: 1, times: 5 }] })
    const { id } = await app.start('toy', { rate: 2 })
    await app.deliver({
      concurrency: 1,
      async fate(): Promise<Fate> {
        await app.services.db.execute(sql`update batches set throttled_at = now() - interval '6 seconds'`)
        return 'normal'
      },
    })
    expect(await app.batch(id)).toMatchObject({ status: 'completed', throttledRate: 1 })
  })

  test('and never answers pauses the batch after an hour, and again as long after a resume', async () => {
    const app = await asking(3)
    const { db } = app.services
    await local('model', 'faults', { rules: [{ status: 429, retryAfterSeconds: 60 }] })
    const { id } = await app.start('toy', { rate: 1 })
    const throttledFor = (minutes: number) =>
      db.execute(sql`update batches set throttled_at = now() - make_interval(mins => ${minutes})`)
    const deliverSome = async () => {
      let some = 0
      await app.deliver({
        concurrency: 1,
        fate({ url }): Fate {
          if (url.endsWith('/execute-user')) some += 1
          return 'normal'
        },
        until: () => some >= 8,
      })
    }
    await deliverSome()
    await throttledFor(59)
    await deliverSome()
    expect(await app.batch(id)).toMatchObject({ status: 'running', throttledRate: 1 })
    await throttledFor(61)
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({
      status: 'paused',
      pausedBy: 'breaker',
      reason: expect.stringMatching(/^no work has succeeded for 60 minutes.*429/),
    })
    await app.call('POST', `/api/admin/batches/${id}/resume`)
    await deliverSome()
    expect((await app.batch(id)).status).toBe('running')
    await local('model', 'faults', { rules: [] })
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 3 } })
  })

  test('of a batch that is cancelled meanwhile is not asked again', async () => {
    const app = await asking(1)
    await local('model', 'faults', { rules: [{ status: 429, retryAfterSeconds: 60 }] })
    const { id } = await app.start('toy')
    let asked = 0
    await app.deliver({
      concurrency: 1,
      async fate({ url }): Promise<Fate> {
        asked = await timesAsked()
        if (asked === 1 && url.endsWith('/execute-user')) {
          await app.call('POST', `/api/admin/batches/${id}/cancel`)
        }
        return 'normal'
      },
    })
    expect(await timesAsked()).toBe(1)
    expect(await app.batch(id)).toMatchObject({ status: 'cancelled', counts: { cancelled: 1, running: 0 } })
  })
})

test('work may ask for patience itself', async () => {
  let tries = 0
  const app = rounds([
    toyWorkflow((_, id) => {
      tries += 1
      if (tries < 9) throw new RetryLaterError('the mail service is busy', 30)
      return Promise.resolve({ text: id })
    }),
  ])
  await insertUsers(app.services.db, 1)
  const { id } = await app.start('toy')
  await app.deliver()
  expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 1 } })
})

test('an item whose new run could not be triggered gets it from the delivery that is repeated', async () => {
  const app = await asking(1)
  await local('model', 'faults', { rules: [{ status: 429, retryAfterSeconds: 1, times: 1 }] })
  const { id } = await app.start('toy')
  const { fetch: real } = globalThis
  let refused = 0
  globalThis.fetch = async (input, init) => {
    const url = input instanceof Request ? input.url : String(input)
    const body = typeof init?.body === 'string' ? init.body : ''
    if (refused === 0 && url.endsWith('/v2/batch') && body.includes('upstash-delay')) {
      refused += 1
      return new Response('down', { status: 503 })
    }
    return await real(input, init)
  }
  try {
    await app.deliver({ concurrency: 1 })
  } finally {
    globalThis.fetch = real
  }
  expect(refused).toBe(1)
  expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 1 } })
})
