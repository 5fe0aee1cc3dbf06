import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Fate } from '../support/deliveries.ts'
import { insertUsers } from '../support/population.ts'
import { qstashThatIsDown, resetEverything, rounds } from '../support/rounds.ts'
import { toyWorkflow } from '../support/toy.ts'

beforeEach(resetEverything)

async function started(users: number) {
  const worked: string[] = []
  const app = rounds([
    toyWorkflow((_, id) => {
      worked.push(id)
      return Promise.resolve({ text: id })
    }),
  ])
  await insertUsers(app.services.db, users)
  const { id } = await app.start('toy')
  const act = (action: string) => app.call('POST', `/api/admin/batches/${id}/${action}`)
  return { ...app, id, act, worked, now: () => app.batch(id) }
}

describe('pause', () => {
  test.each([0, 1, 25, 55, 99])('after %i items lets no further item start', async (items) => {
    const { act, deliver, worked, now } = await started(100)
    // The batch must run before it can be paused.
    await deliver({ concurrency: 1, until: () => worked.length >= Math.max(1, items) })
    expect(await act('pause')).toMatchObject({ status: 200, body: { status: 'paused' } })
    const before = worked.length
    await deliver()
    expect(worked.length).toBe(before)
    expect(await now()).toMatchObject({ status: 'paused' })
  })

  test('lets what has started finish', async () => {
    const { promise: held, resolve: finish } = Promise.withResolvers<void>()
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    const app = rounds([
      toyWorkflow(async () => {
        begin()
        await held
        return { text: '' }
      }),
    ])
    await insertUsers(app.services.db, 1)
    const { id } = await app.start('toy')
    const delivering = app.deliver()
    await begun
    const paused = await app.call('POST', `/api/admin/batches/${id}/pause`)
    expect(paused.body).toMatchObject({ status: 'paused', counts: { running: 1 } })
    finish()
    await delivering
    // Nothing is left to resume.
    expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 1 } })
  })

  test('is refused for a batch that has ended', async () => {
    const { act, deliver } = await started(2)
    await deliver()
    expect(await act('pause')).toMatchObject({
      status: 409,
      body: { error: { code: 'conflict', details: { status: 'completed' } } },
    })
  })
})

describe('resume', () => {
  test.each([1, 10, 45, 60, 99])('after %i items finishes the batch, no item twice', async (items) => {
    const { act, deliver, worked, now } = await started(100)
    await deliver({ concurrency: 1, until: () => worked.length >= items })
    await act('pause')
    await deliver()
    expect(await act('resume')).toMatchObject({ status: 200, body: { status: 'running' } })
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { recorded: 100, succeeded: 100 } })
    expect(new Set(worked).size).toBe(100)
    expect(worked.length).toBe(100)
  })

  test('at once, before a run met the closed gate, starts no run twice', async () => {
    const { act, deliver, worked, now } = await started(100)
    await deliver({ concurrency: 1, until: () => worked.length >= 30 })
    await act('pause')
    await act('resume')
    await act('pause')
    await act('resume')
    const delivered = await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 100 } })
    expect(worked.length).toBe(100)
    const runsThatDidNothing = delivered.filter(({ answer }) => answer.includes('superseded'))
    expect(runsThatDidNothing).toEqual([])
  })

  test('needs QStash: without it the batch stays paused and says why', async () => {
    const { id, act, deliver, worked, services, call } = await started(60)
    await deliver({ concurrency: 1, until: () => worked.length >= 5 })
    await act('pause')
    await deliver()
    const offline = rounds([toyWorkflow(() => Promise.resolve({ text: '' }))], {
      QSTASH_URL: qstashThatIsDown,
    })
    const refused = await offline.call('POST', `/api/admin/batches/${id}/resume`)
    expect(refused).toMatchObject({ status: 503, body: { error: { code: 'unavailable' } } })
    const { body } = await call('GET', `/api/admin/batches/${id}`)
    expect(body).toMatchObject({ status: 'paused', reason: expect.stringContaining('QStash') })
    await act('resume')
    await deliver()
    const { rows } = await services.db.execute(sql`select succeeded, status from batches`)
    expect(rows).toEqual([{ succeeded: 60, status: 'completed' }])
  })

  test('is refused for a batch that is not paused', async () => {
    const { act } = await started(2)
    expect(await act('resume')).toMatchObject({ status: 409, body: { error: { code: 'conflict' } } })
  })
})

describe('cancel', () => {
  test.each([1, 10, 60, 99])('after %i items ends every other item, and the counts add up', async (items) => {
    const { act, deliver, worked, now } = await started(100)
    await deliver({ concurrency: 1, until: () => worked.length >= items })
    expect(await act('cancel')).toMatchObject({ status: 200, body: { status: 'cancelled' } })
    const before = worked.length
    await deliver()
    expect(worked.length).toBe(before)
    const { counts, status } = await now()
    expect(status).toBe('cancelled')
    expect(counts).toMatchObject({ queued: 0, running: 0, succeeded: before })
    expect(counts.recorded).toBe(counts.succeeded + counts.cancelled)
  })

  test('before the batch began leaves nothing behind, and the next one may start', async () => {
    const { act, deliver, worked, start } = await started(10)
    expect(await act('cancel')).toMatchObject({ status: 200, body: { status: 'cancelled' } })
    await deliver()
    expect(worked).toEqual([])
    await start('toy')
    await deliver()
    expect(worked.length).toBe(10)
  })

  test('of a paused batch frees its items for the next one', async () => {
    const { act, deliver, worked, start, batch } = await started(100)
    await deliver({ concurrency: 1, until: () => worked.length >= 20 })
    await act('pause')
    await deliver()
    await act('cancel')
    const next = await start('toy')
    await deliver()
    const done = await batch(next.id)
    expect(done.status).toBe('completed')
    expect(new Set(worked).size).toBe(100)
    expect(worked.length).toBe(100)
  })

  test('while an item is between two tries cancels that item too', async () => {
    const app = rounds([toyWorkflow(() => Promise.reject(new Error('flaky')))])
    await insertUsers(app.services.db, 1)
    const { id } = await app.start('toy')
    let failedOnce = false
    await app.deliver({
      until: () => failedOnce,
      concurrency: 1,
      async fate(delivery): Promise<Fate> {
        failedOnce = delivery.url.endsWith('/execute-user')
        return 'normal'
      },
    })
    await app.call('POST', `/api/admin/batches/${id}/cancel`)
    await app.deliver()
    expect((await app.batch(id)).counts).toMatchObject({ recorded: 1, cancelled: 1, failed: 0 })
  })

  test('while a worker lies dead over an item ends that item when its delivery comes back', async () => {
    const { act, deliver, now, services } = await started(1)
    let died = false
    await deliver({
      concurrency: 1,
      async fate(delivery): Promise<Fate> {
        if (died || !delivery.url.endsWith('/execute-user')) return 'normal'
        died = true
        await services.db.execute(sql`
          update batch_items set status = 'running', token = gen_random_uuid(), lease_until = now()`)
        await act('cancel')
        return 'normal'
      },
    })
    expect(await now()).toMatchObject({
      status: 'cancelled',
      counts: { recorded: 1, cancelled: 1, running: 0 },
    })
  })
})
