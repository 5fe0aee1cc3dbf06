import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Fate } from '../support/deliveries.ts'
import { insertUsers } from '../support/population.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { started } from '../support/started.ts'
import { defaultPages, toyWorkflow } from '../support/toy.ts'

beforeEach(resetEverything)

describe('cancel', () => {
  test.each([1, 2, 12, 19])('after %i items ends every other item, and the counts add up', async (items) => {
    const { act, deliver, worked, now } = await started(20)
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
    const { act, deliver, worked, start, batch } = await started(20)
    await deliver({ concurrency: 1, until: () => worked.length >= 4 })
    await act('pause')
    await deliver()
    await act('cancel')
    const next = await start('toy')
    await deliver()
    const done = await batch(next.id)
    expect(done.status).toBe('completed')
    expect(new Set(worked).size).toBe(20)
    expect(worked.length).toBe(20)
  })

  test('while an item is at work that then fails leaves it to nobody, and the next batch takes it', async () => {
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    const { promise: held, resolve: fail } = Promise.withResolvers<void>()
    let tries = 0
    const app = rounds([
      toyWorkflow(async () => {
        tries += 1
        if (tries > 1) return { text: '' }
        begin()
        await held
        throw new Error('flaky')
      }),
    ])
    await insertUsers(app.services.db, 1)
    const first = await app.start('toy')
    let failed = false
    const delivering = app.deliver({ concurrency: 1, until: () => failed })
    await begun
    await app.call('POST', `/api/admin/batches/${first.id}/cancel`)
    failed = true
    fail()
    await delivering
    const next = await app.start('toy')
    await app.deliver()
    expect((await app.batch(first.id)).counts).toMatchObject({ recorded: 1, cancelled: 1 })
    expect(await app.batch(next.id)).toMatchObject({ status: 'completed', counts: { succeeded: 1 } })
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
    const { act, deliver, now, services, die } = await started(1)
    let died = false
    await deliver({
      concurrency: 1,
      async fate(delivery): Promise<Fate> {
        if (died || !delivery.url.endsWith('/execute-user')) return 'normal'
        died = true
        await die(delivery, 3600)
        await act('cancel')
        await services.db.execute(sql`update batch_items set lease_until = now()`)
        return 'normal'
      },
    })
    expect(await now()).toMatchObject({
      status: 'cancelled',
      counts: { recorded: 1, cancelled: 1, running: 0 },
    })
  })

  test('lets what it had started finish before the next batch begins', async () => {
    const { promise: held, resolve: finish } = Promise.withResolvers<void>()
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    let running = 0
    let most = 0
    const app = rounds([
      toyWorkflow(
        async () => {
          running += 1
          most = Math.max(most, running)
          begin()
          if (most === 1) await held
          running -= 1
          return { text: '' }
        },
        { maxOutstanding: 1 },
      ),
    ])
    await insertUsers(app.services.db, 3)
    const first = await app.start('toy')
    // QStash's clock is the test's, the lease's is Postgres's: when the start is tried again, the item has ended.
    const saved = async () => {
      finish()
      while ((await app.batch(first.id)).counts.running > 0) await Promise.resolve()
    }
    const delivering = app.deliver({
      concurrency: 2,
      skipsWhileBusy: true,
      async fate({ url, headers }): Promise<Fate> {
        if (url.endsWith('/process-users') && headers['upstash-retried'] === '1') await saved()
        return 'normal'
      },
    })
    await begun
    await app.call('POST', `/api/admin/batches/${first.id}/cancel`)
    const next = await app.start('toy')
    await delivering
    expect(most).toBe(1)
    await app.deliver()
    expect(await app.batch(next.id)).toMatchObject({ status: 'completed', counts: { succeeded: 2 } })
  })

  test('needs no workflow: a batch whose workflow is gone can be paused and cancelled', async () => {
    const { id, deliver, worked } = await started(30, defaultPages)
    await deliver({ concurrency: 1, until: () => worked.length === 3 })
    const without = rounds([])
    expect((await without.call('POST', `/api/admin/batches/${id}/pause`)).status).toBe(200)
    expect(await without.call('POST', `/api/admin/batches/${id}/resume`)).toMatchObject({
      status: 409,
      body: { error: { message: 'workflow toy is not part of this deployment' } },
    })
    expect(await without.call('POST', `/api/admin/batches/${id}/cancel`)).toMatchObject({
      status: 200,
      body: { status: 'cancelled', counts: { succeeded: 3, cancelled: 27 } },
    })
  })
})
