import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { reconcile } from '../../../src/engine/reconcile.ts'
import { isItem, qstash, type Fate, type PendingDelivery } from '../../support/deliveries.ts'
import { insertUsers } from '../../support/population.ts'
import { resetEverything, rounds } from '../../support/rounds.ts'
import { done, sleeper } from './sleeper.ts'

beforeEach(resetEverything)

const week = 7 * 24 * 3600 * 1000

async function asleep(users: number, options: Parameters<typeof sleeper>[0] = {}) {
  const { workflow, acts } = sleeper(options)
  const app = rounds([workflow])
  await insertUsers(app.services.db, users)
  const { id } = await app.start('toy')
  const runs = new Set<string>()
  const fate = (delivery: PendingDelivery): Fate => {
    if (isItem(delivery)) runs.add(delivery.headers['upstash-workflow-runid'] ?? '')
    return 'normal'
  }
  await app.deliver({ fate, longestSkipMs: 900_000 })
  return {
    ...app,
    /** Loses the runs of all items. */
    lose: () => Promise.all([...runs].map((runId) => qstash('/local/drop', { runId }))),
    id,
    acts,
    workflow,
    now: () => app.batch(id),
    act: (action: string, body?: unknown) => app.call('POST', `/api/admin/batches/${id}/${action}`, body),
    items: async (status = 'waiting') =>
      z
        .object({
          data: z.array(
            z.object({
              id: z.string(),
              waitingFor: z.string().nullable(),
              waitingUntil: z.string().nullable(),
            }),
          ),
        })
        .parse((await app.call('GET', `/api/admin/batches/${id}/items?status=${status}`)).body).data,
    afterAWeek: () => qstash('/local/clock/advance', { ms: week }),
  }
}

describe('an item that waits', () => {
  test('is shown with what for and until when, and does not count as outstanding', async () => {
    const app = await asleep(30, { maxOutstanding: 10, pageSize: 10 })
    expect(await app.now()).toMatchObject({
      status: 'running',
      counts: { recorded: 30, waiting: 30, running: 0, queued: 0 },
    })
    const [item] = await app.items()
    expect(item?.waitingFor).toBe('rest')
    expect(Date.parse(item?.waitingUntil ?? '') - Date.now()).toBeGreaterThan(week - 60_000)
    await app.deliver()
    expect(await app.now()).toMatchObject({ status: 'completed', counts: { succeeded: 30, waiting: 0 } })
    expect(app.acts.toSorted()).toEqual([...done('after', 30), ...done('before', 30)].toSorted())
  })

  test('stays asleep through a pause, and goes on when its batch is resumed', async () => {
    const app = await asleep(3)
    expect(await app.act('pause')).toMatchObject({ status: 200, body: { status: 'paused' } })
    await app.deliver()
    expect(app.acts).toEqual(expect.not.arrayContaining(done('after', 1)))
    expect(await app.now()).toMatchObject({ status: 'paused', counts: { queued: 3, waiting: 0 } })
    expect(await app.act('resume')).toMatchObject({ status: 200 })
    await app.deliver()
    expect(await app.now()).toMatchObject({ status: 'completed', counts: { succeeded: 3 } })
    expect(app.acts.toSorted()).toEqual([...done('after', 3), ...done('before', 3)].toSorted())
  })

  test('does not wake up while the kill switch is on', async () => {
    const app = await asleep(2, { completion: 'started' })
    expect(await app.now()).toMatchObject({ status: 'completed', counts: { waiting: 2 } })
    await app.call('PUT', '/api/admin/kill-switches/toy', { on: true })
    await app.deliver()
    expect(app.acts).toHaveLength(2)
    await app.call('PUT', '/api/admin/kill-switches/toy', { on: false })
    await app.services.db.execute(sql`update batch_items set queued_at = now() - interval '1 hour'`)
    await reconcile(app.services, [app.workflow], { graceSeconds: 0 })
    await app.deliver()
    expect(await app.now()).toMatchObject({
      status: 'completed',
      counts: { succeeded: 2, waiting: 0, queued: 0 },
    })
    expect(app.acts).toHaveLength(4)
  })

  test.each(['ended', 'started'] as const)(
    'is undone when its batch (completion: %s) is cancelled',
    async (completion) => {
      const app = await asleep(3, { completion })
      expect(await app.act('cancel')).toMatchObject({ status: 200, body: { status: 'cancelled' } })
      await app.deliver({ fate: () => 'twice' })
      expect(await app.now()).toMatchObject({
        status: 'cancelled',
        counts: { cancelled: 3, waiting: 0, queued: 0, running: 0 },
      })
      expect(app.acts.toSorted()).toEqual([...done('before', 3), ...done('undo', 3)].toSorted())
      const proof = await app.call('GET', `/api/admin/batches/${app.id}/proof`)
      expect(proof.body).toMatchObject({ balanced: true, open: 0, mismatches: [] })
    },
  )

  test('is undone by the tick when nobody could be told of the cancel', async () => {
    const app = await asleep(2)
    await app.services.db.execute(sql`update batches set status = 'cancelled', ended_at = now()`)
    await app.services.db.execute(sql`update batch_items set waiting_until = now() - interval '1 hour'`)
    await app.lose()
    await reconcile(app.services, [app.workflow], { graceSeconds: 0 })
    await app.deliver()
    expect(await app.now()).toMatchObject({ status: 'cancelled', counts: { cancelled: 2 } })
    expect(app.acts.filter((act) => act.startsWith('undo'))).toHaveLength(2)
  })

  test('whose run is lost is found by the tick once its wait is over', async () => {
    const app = await asleep(2)
    await app.lose()
    await reconcile(app.services, [app.workflow], { graceSeconds: 0 })
    await app.deliver()
    expect(await app.now()).toMatchObject({ status: 'running', counts: { waiting: 2 } })
    await app.services.db.execute(sql`update batch_items set waiting_until = now() - interval '1 hour'`)
    await app.services.db.execute(
      sql`update item_steps set until = now() - interval '1 hour' where kind = 'sleep'`,
    )
    await reconcile(app.services, [app.workflow], { graceSeconds: 0 })
    await app.deliver()
    expect(await app.now()).toMatchObject({ status: 'completed', counts: { succeeded: 2 } })
    expect(app.acts).toHaveLength(4)
  })
})

describe('a batch that completes when its items have started', () => {
  test('lets the next one come, which leaves alone what still waits', async () => {
    const app = await asleep(2, { completion: 'started' })
    expect(await app.now()).toMatchObject({ status: 'completed', counts: { waiting: 2 } })
    const open = await app.call('GET', `/api/admin/batches/${app.id}/proof`)
    expect(open.body).toMatchObject({ balanced: false, open: 2, mismatches: [] })
    await app.services.db.execute(sql`delete from users`)
    await insertUsers(app.services.db, 3)
    const next = await app.start('toy')
    await app.deliver({ longestSkipMs: 900_000 })
    expect(await app.batch(next.id)).toMatchObject({
      status: 'completed',
      counts: { recorded: 1, waiting: 1 },
    })
    await app.deliver()
    expect(await app.now()).toMatchObject({ counts: { succeeded: 2, waiting: 0 } })
    expect(await app.batch(next.id)).toMatchObject({ counts: { succeeded: 1, waiting: 0 } })
    const proof = await app.call('GET', `/api/admin/batches/${app.id}/proof`)
    expect(proof.body).toMatchObject({ balanced: true, open: 0, mismatches: [] })
  })
})
