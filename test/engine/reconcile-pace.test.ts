import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { PermanentError } from '../../src/errors.ts'
import { qstash } from '../support/deliveries.ts'
import { forgetting, isPage, qstashSays, reconciling } from '../support/reconciling.ts'
import { resetEverything } from '../support/rounds.ts'

beforeEach(resetEverything)

const refuse = () => Promise.reject(new Error('not today'))

describe('the pace of a running batch', () => {
  const key = '/v2/flowControl/local.toy.execute'

  test.each([
    ['unpin?parallelism=true&rate=true'],
    ['pin?parallelism=1&rate=1'],
    ['pin?parallelism=7&rate=3&period=60'],
  ])('is pinned again after %s', async (change) => {
    const { id, call, deliver, worked, tick, heals } = await reconciling(20)
    await deliver({ concurrency: 1, until: () => worked.length >= 1 })
    await call('PATCH', `/api/admin/batches/${id}`, { parallelism: 7, rate: 3 })
    await tick()
    expect(await heals()).toEqual([])
    expect((await qstash(`${key}/${change}`)).ok).toBe(true)
    await tick()
    await tick()
    expect(await qstashSays(key)).toMatchObject({
      parallelismMax: 7,
      rateMax: 3,
      ratePeriod: 1,
      isPinnedParallelism: true,
      isPinnedRate: true,
    })
    expect(await heals()).toMatchObject([{ action: 'heal.pace', after: { parallelism: 7, rate: 3 } }])
  })

  test('is nothing to pin at a QStash that does not know of it, and an error when that does not answer', async () => {
    const { deliver, worked, tick, heals, services, now } = await reconciling(20)
    await deliver({ concurrency: 1, until: () => worked.length >= 1 })
    const down = Object.create(services.qstash, { flowControl: { value: { get: refuse } } })
    await expect(tick({ at: { ...services, qstash: down } })).rejects.toThrow('1 thing(s)')
    await qstash('/local/reset')
    await tick()
    await tick()
    expect((await heals()).filter(({ action }) => action === 'heal.pace')).toEqual([])
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 20 } })
  })

  test('is the throttled one while the model asks for less', async () => {
    const { deliver, worked, tick, services, heals } = await reconciling(20)
    await deliver({ concurrency: 1, until: () => worked.length >= 1 })
    await services.db.execute(sql`update batches set throttled_rate = 2, throttled_at = now()`)
    await tick()
    expect(await qstashSays(key)).toMatchObject({ rateMax: 2 })
    expect(await heals()).toMatchObject([{ action: 'heal.pace', after: { rate: 2 } }])
  })
})

describe('a batch that could be stuck for good', () => {
  test('because it waits for room that it has is moved on', async () => {
    const { deliver, now, tick, heals, services, worked } = await reconciling(60)
    await deliver({ fate: forgetting(isPage(2)) })
    await services.db.execute(sql`update batches set awaiting_room = true`)
    await tick()
    expect(await heals()).toMatchObject([{ action: 'heal.page', after: { page: 2 } }])
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 60 } })
    expect(worked.length).toBe(60)
  })

  test('because its canary passed and nobody read on is read on', async () => {
    const { deliver, now, tick, actions, worked } = await reconciling(10, {
      canary: { items: 3, minSuccessRate: 0.5 },
    })
    await deliver({ fate: forgetting(isPage(2)) })
    expect(await now()).toMatchObject({ status: 'running', counts: { recorded: 3, succeeded: 3 } })
    await tick()
    expect(await actions()).toEqual(['heal.page'])
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 10 } })
    expect(worked.length).toBe(10)
  })

  test('because failed items were to be tried again and nobody read them is read', async () => {
    const tried: string[] = []
    const { deliver, now, call, id, tick, actions } = await reconciling(3, {
      work: (_, item) => {
        tried.push(item)
        if (tried.length <= 3) return Promise.reject(new PermanentError('no'))
        return Promise.resolve({ text: item })
      },
    })
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { failed: 3 } })
    expect((await call('POST', `/api/admin/batches/${id}/retry`, { all: true })).status).toBe(200)
    await deliver({ fate: forgetting(isPage(2)) })
    expect(await now()).toMatchObject({ status: 'running', counts: { failed: 3, retrying: 3 } })
    await tick()
    expect(await actions()).toEqual(['heal.page'])
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 3, failed: 0 } })
    expect(tried.length).toBe(6)
  })
})
