import { beforeEach, describe, expect, test } from 'vitest'
import { boundsOf } from '../../src/engine/bounds-of-start.ts'
import { planBatch } from '../../src/engine/plan-batch.ts'
import { users } from '../../src/db/schema.ts'
import type { Fate } from '../support/deliveries.ts'
import { userId } from '../support/population.ts'
import { local, resetEverything, rounds } from '../support/rounds.ts'
import { openUntriggered, started } from '../support/started.ts'
import { toyWorkflow } from '../support/toy.ts'

beforeEach(resetEverything)

describe('a delivery that comes late', () => {
  test('for an attempt that resuming has replaced does nothing', async () => {
    const { act, deliver, send, worked, now } = await started(3)
    await deliver({ concurrency: 1, until: () => worked.length === 1 })
    await act('pause')
    await deliver()
    await act('resume')
    await send('execute-user', { userId: userId(3), attempt: 1 })
    const delivered = await deliver()
    expect(delivered.every(({ status }) => status === 200)).toBe(true)
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 3 } })
    expect(worked.toSorted()).toEqual([userId(1), userId(2), userId(3)])
  })

  test.each([
    ['a page', 'paginate-users', { page: 1 }],
    ['a page that was never read', 'paginate-users', { page: 2 }],
    ['a chunk', 'paginate-users', { userIds: [userId(1), userId(2)] }],
    ['the batch itself', 'process-users', {}],
    ['an item', 'execute-user', { userId: userId(1), attempt: 1 }],
  ])('for %s of a batch that has ended does nothing', async (_, segment, payload) => {
    const { deliver, send, worked, now } = await started(3)
    await deliver()
    const before = await now()
    await send(segment, payload)
    const delivered = await deliver()
    expect(delivered.map(({ status }) => status)).toEqual([200, 200])
    expect(worked.length).toBe(3)
    expect(await now()).toEqual(before)
  })

  test('for a chunk whose items have ended does nothing while the batch goes on', async () => {
    const { deliver, send, worked, now } = await started(12)
    await deliver({ concurrency: 1, until: () => worked.length === 11 })
    await send('paginate-users', { userIds: [userId(1), userId(2)] })
    await deliver()
    expect(worked.length).toBe(12)
    expect(await now()).toMatchObject({ status: 'completed', counts: { recorded: 12, succeeded: 12 } })
  })

  test('for a chunk of a paused batch leaves its items to be resumed', async () => {
    const { act, deliver, worked, now } = await started(10)
    await deliver({ concurrency: 1, until: () => worked.length === 1 })
    await act('pause')
    await deliver()
    expect((await now()).counts).toMatchObject({ recorded: 10, queued: 9 })
    await act('resume')
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 10 } })
  })
})

describe('a worker that dies', () => {
  test('between the save that made room and the next page leaves the page to its next delivery', async () => {
    const { cutOff, deliver, worked, now } = await started(3, { maxOutstanding: 1 })
    const seen = new Set<string>()
    await deliver({
      concurrency: 1,
      async fate(delivery): Promise<Fate> {
        const run = delivery.headers['upstash-workflow-runid'] ?? ''
        if (!delivery.url.endsWith('/execute-user') || seen.has(run)) return 'normal'
        seen.add(run)
        await cutOff.worker(new Request(delivery.url, { ...delivery }))
        return 'lost'
      },
    })
    expect(seen.size).toBe(3)
    expect(worked.length).toBe(3)
    expect(await now()).toMatchObject({ status: 'completed', counts: { recorded: 3, succeeded: 3 } })
  })

  test('before it could trigger the batch it opened leaves it to be found, even while QStash is down', async () => {
    const { cutOff, call, deliver, services } = await started(3)
    await deliver()
    await openUntriggered(services.db, { force: true })
    expect((await cutOff.call('POST', '/api/admin/workflows/toy/batches', {})).status).toBe(503)
    expect((await call('GET', '/api/admin/batches?status=starting')).body).toMatchObject({ data: [{}] })
    expect((await call('POST', '/api/admin/workflows/toy/batches', {})).status).toBe(409)
    await deliver()
    expect((await call('GET', '/api/admin/batches?status=completed')).body).toMatchObject({ data: [{}, {}] })
  })
})

test('work whose lease is over before it could begin is not begun', async () => {
  const { deliver, worked, now } = await started(1, { timeout: '1 ms' })
  await local('neon', 'faults', { delayMs: 20 })
  await deliver()
  expect(worked).toEqual([])
  expect(await now()).toMatchObject({ status: 'completed', counts: { failed: 1 } })
})

test('a population that does not select (id, version) is refused by name', async () => {
  const workflow = toyWorkflow(() => Promise.resolve({ text: '' }), {
    population: ({ db }) => db.select({ version: users.name, id: users.id }).from(users),
  })
  const { services } = rounds([workflow])
  const wish = { workflow, params: {}, scope: '', force: false, limit: null }
  await expect(planBatch(services, 'key', { ...wish, ...boundsOf(services, workflow, {}) })).rejects.toThrow(
    'the population of toy selects (version, id) instead of (id, version)',
  )
})
