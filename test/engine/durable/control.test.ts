import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { reconcile } from '../../../src/engine/reconcile.ts'
import { resetEverything } from '../../support/rounds.ts'
import { asleep, done, week } from './sleeper.ts'

beforeEach(resetEverything)

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

  test('does not wake up after the kill switch, until its batch is resumed', async () => {
    const app = await asleep(2, { completion: 'started' })
    expect(await app.now()).toMatchObject({ status: 'completed', counts: { waiting: 2 } })
    await app.call('PUT', '/api/admin/kill-switches/toy', { on: true })
    await app.deliver()
    expect(app.acts).toHaveLength(2)
    await app.call('PUT', '/api/admin/kill-switches/toy', { on: false })
    expect(await app.now()).toMatchObject({ status: 'completed', pausedBy: 'kill_switch' })
    await app.deliver()
    expect(app.acts).toHaveLength(2)
    expect(await app.act('resume')).toMatchObject({ status: 200 })
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
