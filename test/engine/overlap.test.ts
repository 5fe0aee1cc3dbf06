import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { runTick } from '../../src/cron.ts'
import { isFailureCallback } from '../support/deliveries.ts'
import { insertUsers } from '../support/population.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { toyWorkflow } from '../support/toy.ts'

beforeEach(resetEverything)

const cron = '0 3 * * *'
const listSchema = z.object({
  data: z.array(z.object({ id: z.string(), status: z.string(), reason: z.string().nullable() })),
})

async function ticking(overlap: 'skip' | 'queue') {
  const state = { worked: 0, fail: false }
  const workflow = toyWorkflow(
    () => {
      state.worked += 1
      return Promise.resolve({ text: '' })
    },
    { schedule: cron, overlap },
  )
  const app = rounds([workflow])
  await insertUsers(app.services.db, 5)
  return {
    ...app,
    state,
    tick: (n: number) => runTick(app.services, [workflow], { cron, scheduledTime: n * 60_000 }),
    /** Oldest first. */
    list: async () => listSchema.parse((await app.call('GET', '/api/admin/batches')).body).data.toReversed(),
    statuses: async () =>
      listSchema
        .parse((await app.call('GET', '/api/admin/batches')).body)
        .data.map(({ status }) => status)
        .toReversed(),
    act: (id: string, action: string) => app.call('POST', `/api/admin/batches/${id}/${action}`),
  }
}

describe('a tick that finds an active batch', () => {
  test('is skipped by default, and says why', async () => {
    const app = await ticking('skip')
    await app.tick(1)
    await app.tick(2)
    const [first, second] = await app.list()
    expect(second).toMatchObject({ status: 'skipped', reason: expect.stringContaining(first?.id ?? '-') })
    await app.deliver()
    expect(await app.statuses()).toEqual(['completed', 'skipped'])
  })

  test('queues one batch where the definition says so, which begins when the active one has ended', async () => {
    const app = await ticking('queue')
    await app.tick(1)
    await app.tick(2)
    await app.tick(3)
    expect(await app.statuses()).toEqual(['starting', 'queued', 'skipped'])
    // New since the first batch began to read.
    await app.deliver({ until: () => app.state.worked === 5 })
    await app.deliver()
    expect(await app.statuses()).toEqual(['completed', 'completed', 'skipped'])
    expect(app.state.worked).toBe(5)
  })

  test('that is delivered twice queues once', async () => {
    const app = await ticking('queue')
    await app.tick(1)
    await Promise.all([app.tick(2), app.tick(2)])
    expect(await app.statuses()).toEqual(['starting', 'queued'])
  })

  test.each(['cancel', 'pause'])('and a %s of that: the queued one waits for its end', async (action) => {
    const app = await ticking('queue')
    await app.tick(1)
    await app.tick(2)
    await app.deliver({ concurrency: 1, until: () => app.state.worked === 1 })
    const [first] = await app.list()
    await app.act(first?.id ?? '', action)
    await app.deliver()
    const expected = action === 'cancel' ? ['cancelled', 'completed'] : ['paused', 'queued']
    expect(await app.statuses()).toEqual(expected)
    if (action === 'pause') {
      await app.act(first?.id ?? '', 'resume')
      await app.deliver()
      expect(await app.statuses()).toEqual(['completed', 'completed'])
    }
  })

  test('leaves a queued batch that can be cancelled', async () => {
    const app = await ticking('queue')
    await app.tick(1)
    await app.tick(2)
    const [, queued] = await app.list()
    expect(await app.act(queued?.id ?? '', 'cancel')).toMatchObject({
      status: 200,
      body: { status: 'cancelled' },
    })
    await app.deliver()
    expect(await app.statuses()).toEqual(['completed', 'cancelled'])
  })

  test('with nothing to do for the active one, goes on to the queued one', async () => {
    const app = await ticking('queue')
    await app.services.db.execute('delete from users')
    await app.tick(1)
    await app.tick(2)
    await app.deliver()
    expect(await app.statuses()).toEqual(['completed', 'completed'])
  })

  test('that was queued begins when the active one could not', async () => {
    const app = await ticking('queue')
    await app.tick(1)
    await app.tick(2)
    const [first] = await app.list()
    await app.deliver({
      fate: (delivery) =>
        !isFailureCallback(delivery) &&
        delivery.url.endsWith('process-users') &&
        delivery.body.includes(btoa(JSON.stringify({ batchId: first?.id })))
          ? 'lost'
          : 'normal',
    })
    expect(await app.statuses()).toEqual(['failed', 'completed'])
  })
})
