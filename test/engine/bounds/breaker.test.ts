import { beforeEach, describe, expect, test } from 'vitest'
import { PermanentError } from '../../../src/errors.ts'
import { insertUsers, userId } from '../../support/population.ts'
import { resetEverything, rounds } from '../../support/rounds.ts'
import { toyWorkflow } from '../../support/toy.ts'

beforeEach(resetEverything)

/** A workflow over so many users whose work fails, permanently, for those that `fails` picks while it is on. */
async function failing(
  users: number,
  fails: (n: number) => boolean,
  message = (id: string) => `no luck for ${id}`,
) {
  const state = { broken: true, tries: 0 }
  const numbers = new Map(Array.from({ length: users }, (_, index) => [userId(index + 1), index + 1]))
  const app = rounds([
    toyWorkflow((_, id) => {
      state.tries += 1
      if (state.broken && fails(numbers.get(id) ?? 0)) throw new PermanentError(message(id))
      return Promise.resolve({ text: id })
    }),
  ])
  await insertUsers(app.services.db, users)
  return { ...app, state }
}

describe('a breaker', () => {
  test('pauses the batch when more than the tolerated share of the window failed, and says which error did it', async () => {
    const app = await failing(40, (n) => n % 3 === 0)
    const { id } = await app.start('toy', { tolerate: { percent: 10, window: 50 } })
    await app.deliver({ concurrency: 1 })
    const batch = await app.batch(id)
    expect(batch).toMatchObject({
      status: 'paused',
      pausedBy: 'breaker',
      reason: expect.stringContaining('no luck for u0000'),
      // More than a tenth of fifty.
      counts: { failed: 6, running: 0 },
    })
    expect(batch.reason).toContain('6 of the last 18 tries failed')
  })

  test('names the error that is most frequent in the window, not the last one', async () => {
    const app = await failing(
      40,
      (n) => n % 2 === 0,
      (id) => (id.endsWith('6') ? `the disk is full at ${id}` : `quota of ${id} is used up`),
    )
    const { id } = await app.start('toy', { tolerate: { count: 7, window: 100 } })
    await app.deliver({ concurrency: 1 })
    expect((await app.batch(id)).reason).toContain('quota')
  })

  test('lets what is within the tolerance pass', async () => {
    const app = await failing(60, (n) => n % 10 === 0)
    const { id } = await app.start('toy', { tolerate: { percent: 20, window: 50 } })
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { failed: 6, succeeded: 54 } })
  })

  test('forgets what is older than its window', async () => {
    // Three failures in a row, far apart from the next three.
    const app = await failing(75, (n) => n % 25 < 3)
    const { id } = await app.start('toy', { tolerate: { count: 3, window: 20 } })
    await app.deliver({ concurrency: 1 })
    expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { failed: 9 } })
  })

  test.each([
    [{ count: 0 }, 1],
    [{ percent: 0 }, 1],
    [{ count: 2, percent: 50, window: 10 }, 3],
    [{ count: 9, percent: 20, window: 10 }, 3],
  ])('of %j trips at failure %i', async (tolerate, failures) => {
    const app = await failing(30, () => true)
    const { id } = await app.start('toy', { tolerate })
    await app.deliver({ concurrency: 1 })
    expect(await app.batch(id)).toMatchObject({ pausedBy: 'breaker', counts: { failed: failures } })
  })

  test('counts tries: it trips before an item has used up all of its own', async () => {
    let tries = 0
    const app = rounds([
      toyWorkflow(() => {
        tries += 1
        throw new Error('the model is down')
      }),
    ])
    await insertUsers(app.services.db, 20)
    const { id } = await app.start('toy', { tolerate: { count: 4 } })
    await app.deliver({ concurrency: 1 })
    expect(tries).toBe(5)
    expect(await app.batch(id)).toMatchObject({ pausedBy: 'breaker', counts: { failed: 0, queued: 20 } })
  })

  test('counts an item once that fails again in the same way, so that a few of them are not a broken model', async () => {
    let tries = 0
    const app = rounds([
      toyWorkflow((_, id) => {
        if (id !== userId(1) && id !== userId(2)) return Promise.resolve({ text: id })
        tries += 1
        throw new Error(`no luck for ${id}`)
      }),
    ])
    await insertUsers(app.services.db, 10)
    const { id } = await app.start('toy', { tolerate: { count: 2 } })
    await app.deliver()
    expect(tries).toBe(8)
    expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { failed: 2, succeeded: 8 } })
  })

  test('counts an item again that fails in another way', async () => {
    const reasons = ['the model is down', 'the output does not fit']
    const app = rounds([
      toyWorkflow(() => {
        throw new Error(reasons.shift() ?? 'the model is gone')
      }),
    ])
    await insertUsers(app.services.db, 1)
    const { id } = await app.start('toy', { tolerate: { count: 2 } })
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({ pausedBy: 'breaker', counts: { failed: 0, queued: 1 } })
  })

  test('begins anew after a resume; with retries all succeed, and nothing stored is worked on again', async () => {
    const app = await failing(45, (n) => n % 3 === 0)
    const { id } = await app.start('toy', { tolerate: { percent: 10, window: 100 } })
    await app.deliver()
    const paused = await app.batch(id)
    expect(paused).toMatchObject({ status: 'paused', pausedBy: 'breaker' })
    const triedBefore = app.state.tries

    app.state.broken = false
    await app.call('POST', `/api/admin/batches/${id}/resume`)
    await app.deliver()
    const { failed } = paused.counts
    expect(await app.batch(id)).toMatchObject({
      status: 'completed',
      pausedBy: null,
      counts: { failed, succeeded: 45 - failed },
    })
    const retried = await app.call('POST', `/api/admin/batches/${id}/retry`, { all: true })
    expect(retried).toMatchObject({ status: 200, body: { retried: failed, alreadyDone: 0, left: 0 } })
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { failed: 0, succeeded: 45 } })
    expect(app.state.tries).toBe(45 + failed)
    expect(triedBefore).toBe(paused.counts.succeeded + failed)
  })

  test('can be set and taken away while the batch runs', async () => {
    const app = await failing(30, () => true)
    const { id } = await app.start('toy')
    await app.call('PATCH', `/api/admin/batches/${id}`, { tolerate: { count: 2 } })
    await app.deliver({ concurrency: 1 })
    expect(await app.batch(id)).toMatchObject({ pausedBy: 'breaker', counts: { failed: 3 } })
    await app.call('PATCH', `/api/admin/batches/${id}`, { tolerate: null })
    await app.call('POST', `/api/admin/batches/${id}/resume`)
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { failed: 30 } })
  })
})

test.each([
  {},
  { window: 10 },
  { percent: 101 },
  { count: -1 },
  { count: 1, window: 0 },
  { count: 1, window: 501 },
])('a tolerance of %j is refused', async (tolerate) => {
  const app = await failing(1, () => false)
  const answer = await app.call('POST', '/api/admin/workflows/toy/batches', { tolerate })
  expect(answer.status).toBe(400)
})
