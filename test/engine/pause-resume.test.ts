import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { qstash, type Fate } from '../support/deliveries.ts'
import { insertUsers } from '../support/population.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { started } from '../support/started.ts'
import { toyWorkflow } from '../support/toy.ts'

beforeEach(resetEverything)

describe('pause', () => {
  test.each([0, 1, 5, 11, 19])('after %i items lets no further item start', async (items) => {
    const { act, deliver, worked, now } = await started(20)
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
  test.each([1, 2, 9, 12, 19])('after %i items finishes the batch, no item twice', async (items) => {
    const { act, deliver, worked, now } = await started(20)
    await deliver({ concurrency: 1, until: () => worked.length >= items })
    await act('pause')
    await deliver()
    expect(await act('resume')).toMatchObject({ status: 200, body: { status: 'running' } })
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { recorded: 20, succeeded: 20 } })
    expect(new Set(worked).size).toBe(20)
    expect(worked.length).toBe(20)
  })

  test('again and again, before a run met the closed gate, does nothing twice', async () => {
    const { act, deliver, worked, now } = await started(20)
    await deliver({ concurrency: 1, until: () => worked.length >= 6 })
    for (const action of ['pause', 'resume', 'pause', 'resume', 'resume']) await act(action)
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 20 } })
    expect(worked.length).toBe(20)
  })

  test('after a second pause that met only the runs of layer 2 loses none of their items', async () => {
    const { act, deliver, worked, now } = await started(10)
    await deliver({ concurrency: 1, until: () => worked.length === 1 })
    await act('pause')
    await deliver()
    await act('resume')
    let paged = false
    await deliver({
      concurrency: 1,
      until: () => paged,
      fate(delivery): Fate {
        paged ||= delivery.url.endsWith('/paginate-users')
        return 'normal'
      },
    })
    await act('pause')
    await deliver()
    await act('resume')
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 10 } })
    expect(worked.length).toBe(10)
  })

  test('with nothing left but what is at work just lets it finish', async () => {
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    const { promise: held, resolve: finish } = Promise.withResolvers<void>()
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
    for (const action of ['pause', 'resume']) await app.call('POST', `/api/admin/batches/${id}/${action}`)
    expect(await app.batch(id)).toMatchObject({ status: 'running', counts: { running: 1 } })
    finish()
    await delivering
    expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 1 } })
  })

  test('of a running batch whose runs are lost triggers them again', async () => {
    const { act, deliver, worked, now } = await started(20)
    await deliver({ concurrency: 1, until: () => worked.length >= 6 })
    await qstash('/local/reset')
    expect(await act('resume')).toMatchObject({ status: 200, body: { status: 'running' } })
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 20 } })
    expect(worked.length).toBe(20)
  })

  test('needs QStash: without it the batch stays paused and says why', async () => {
    const { id, act, cutOff, deliver, worked, services, call } = await started(12)
    await deliver({ concurrency: 1, until: () => worked.length >= 2 })
    await act('pause')
    await deliver()
    const refused = await cutOff.call('POST', `/api/admin/batches/${id}/resume`)
    expect(refused).toMatchObject({ status: 503, body: { error: { code: 'unavailable' } } })
    const { body } = await call('GET', `/api/admin/batches/${id}`)
    expect(body).toMatchObject({ status: 'paused', reason: expect.stringContaining('QStash') })
    await act('resume')
    await deliver()
    const { rows } = await services.db.execute(sql`select succeeded, status from batches`)
    expect(rows).toEqual([{ succeeded: 12, status: 'completed' }])
  })

  test.each(['starting', 'completed'])('is refused for a batch that is %s', async (status) => {
    const { act, deliver } = await started(2)
    if (status === 'completed') await deliver()
    expect(await act('resume')).toMatchObject({ status: 409, body: { error: { code: 'conflict' } } })
  })
})
