import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { beginStep } from '../../../src/engine/ledger/item-steps/begin-step.ts'
import { engageKillSwitch } from '../../../src/engine/ledger/kill-switch.ts'
import { reconcile } from '../../../src/engine/reconcile.ts'
import { PermanentError } from '../../../src/errors.ts'
import { insertUsers, userId } from '../../support/population.ts'
import { resetEverything, rounds } from '../../support/rounds.ts'
import { durableToy } from '../../support/toy.ts'
import { asleep } from './sleeper.ts'

beforeEach(resetEverything)

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

describe('a batch that completes when its items have started', () => {
  test('is paused though it is complete: what wakes up is held until it is resumed', async () => {
    const app = await asleep(2, { completion: 'started' })
    expect(await app.act('pause', { reason: 'a wrong text' })).toMatchObject({
      status: 200,
      body: { status: 'completed', pausedBy: 'operator', reason: 'a wrong text' },
    })
    expect(await app.act('pause')).toMatchObject({ status: 200 })
    await app.deliver()
    await app.services.db.execute(sql`update batch_items set queued_at = now() - interval '1 hour'`)
    await reconcile(app.services, [app.workflow], { graceSeconds: 0 })
    await app.deliver()
    expect(app.acts).toHaveLength(2)
    expect(await app.now()).toMatchObject({ counts: { queued: 2, waiting: 0 } })
    const resumed = { status: 'completed', pausedBy: null, reason: null }
    expect(await app.act('resume')).toMatchObject({ status: 200, body: resumed })
    await app.deliver()
    expect(await app.now()).toMatchObject({ status: 'completed', counts: { succeeded: 2, queued: 0 } })
    expect(app.acts).toHaveLength(4)
    expect(await app.act('pause')).toMatchObject({ status: 409 })
    expect(await app.act('resume')).toMatchObject({ status: 409 })
  })

  test('is cancelled while it is paused, and says nothing of the pause any more', async () => {
    const app = await asleep(1, { completion: 'started' })
    await app.act('pause')
    expect(await app.act('cancel')).toMatchObject({ body: { status: 'cancelled', pausedBy: null } })
    await app.deliver()
    expect(app.acts.filter((act) => act.startsWith('undo'))).toHaveLength(1)
  })

  test.each(['pause', 'kill switch'])('stays stopped by a %s when its last item falls asleep', async (by) => {
    const acts: string[] = []
    const stop = () =>
      by === 'pause'
        ? app.call('POST', `/api/admin/batches/${id}/pause`, { reason: 'a wrong text' })
        : app.call('PUT', '/api/admin/kill-switches/toy', { on: true })
    const app = rounds([
      durableToy(
        async ({ id: user }, { step, sleep }) => {
          await step('welcome', async () => {
            acts.push(`welcome ${user}`)
            if (acts.length === 2) await stop()
          })
          await sleep('week', '7 days')
          await step('nudge', async () => void acts.push(`nudge ${user}`))
          return { text: user }
        },
        { completion: 'started' },
      ),
    ])
    await insertUsers(app.services.db, 2)
    const { id } = await app.start('toy')
    await app.deliver({ longestSkipMs: 900_000, concurrency: 1 })
    const pausedBy = by === 'pause' ? 'operator' : 'kill_switch'
    expect(await app.batch(id)).toMatchObject({ status: 'completed', pausedBy, counts: { waiting: 2 } })
    await app.call('PUT', '/api/admin/kill-switches/toy', { on: false })
    await app.deliver()
    expect(acts).toHaveLength(2)
    await app.call('POST', `/api/admin/batches/${id}/resume`)
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 2 } })
  })

  test('stays paused by its breaker when its last item falls asleep', async () => {
    const app = rounds([
      durableToy(
        async ({ id }, { step, sleep }) => {
          await step('welcome', async () => {
            if (id <= userId(4)) throw new PermanentError('broken')
          })
          await sleep('week', '7 days')
          return { text: id }
        },
        { completion: 'started', tolerate: { count: 2, window: 10 }, maxOutstanding: 12, pageSize: 12 },
      ),
    ])
    await insertUsers(app.services.db, 12)
    const { id } = await app.start('toy')
    await app.deliver({ longestSkipMs: 900_000 })
    expect(await app.batch(id)).toMatchObject({ pausedBy: 'breaker' })
  })

  test('has nothing begin once the kill switch has answered', async () => {
    const app = await asleep(1, { completion: 'started' })
    const { db } = app.services
    await db.execute(
      sql`update batch_items set status = 'running', lease_until = now() + interval '60 seconds'`,
    )
    await db.execute(sql`update batches set running = 1, waiting = 0`)
    const order: string[] = []
    // Whoever ends an item holds the batch; a step, and then the switch, wait for that.
    const held = db.batch([
      db.execute(sql`select id from batches for no key update`),
      db.execute(sql`select pg_sleep(1.5)`),
    ])
    await wait(300)
    const at = { batchId: app.id, itemId: userId(1), attempt: 1, name: 'after', turn: 0 }
    const lease = { token: crypto.randomUUID(), seconds: 60 }
    const begun = beginStep(db, { ...at, undoable: false }, lease).then(({ outcome }) => order.push(outcome))
    await wait(300)
    await engageKillSwitch(db, 'toy', { actor: 'test', reason: null })
    order.push('switched')
    await Promise.all([begun, held])
    expect(['begun, switched', 'closed, switched', 'switched, closed']).toContain(order.join(', '))
  })

  test('is paused by its breaker when the items that lasted on fail', async () => {
    const app = rounds([
      durableToy(
        async ({ id }, { step, sleep }) => {
          // One after the other, so that each has ended before the next wakes up.
          await sleep('days', `${Number(id.slice(1))} days`)
          return { text: await step('after', () => Promise.reject(new PermanentError('no more'))) }
        },
        { completion: 'started', tolerate: { percent: 10, window: 10 } },
      ),
    ])
    await insertUsers(app.services.db, 10)
    const { id } = await app.start('toy')
    await app.deliver({ longestSkipMs: 900_000 })
    await app.deliver({ concurrency: 1 })
    const batch = await app.batch(id)
    expect(batch).toMatchObject({ status: 'completed', pausedBy: 'breaker' })
    expect(batch.counts).toMatchObject({ failed: 2, queued: 8 })
    expect(batch.reason).toContain('no more')
    const { body } = await app.call('GET', `/api/admin/changes?workflow=toy`)
    expect(JSON.stringify(body)).toContain('"action":"batch.pause"')
  })

  test('stays paused when what failed of it is tried again, until it is resumed', async () => {
    const failing = new Set(['u000001'])
    const app = rounds([
      durableToy(
        async ({ id }, { step, sleep }) => {
          await step('look', async () => {
            if (failing.has(id)) throw new PermanentError('not yet')
          })
          await sleep('week', '7 days')
          return { text: id }
        },
        { completion: 'started' },
      ),
    ])
    await insertUsers(app.services.db, 2)
    const { id } = await app.start('toy')
    await app.deliver({ longestSkipMs: 900_000 })
    await app.call('POST', `/api/admin/batches/${id}/pause`)
    failing.clear()
    await app.call('POST', `/api/admin/batches/${id}/retry`, { all: true, confirm: true })
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({ status: 'paused', counts: { succeeded: 0 } })
    await app.call('POST', `/api/admin/batches/${id}/resume`)
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 2 } })
  })

  test('lets the next one come while an item of it is at work', async () => {
    const app = await asleep(1, { completion: 'started' })
    await app.services.db.execute(sql`delete from users`)
    await insertUsers(app.services.db, 3)
    const awake = sql`update batch_items set status = 'running', lease_until = now() + interval '60 seconds'
      where batch_id = ${app.id}::uuid`
    await app.services.db.execute(awake)
    const next = await app.start('toy')
    await app.deliver({ longestSkipMs: 30_000 })
    expect(await app.batch(next.id)).toMatchObject({ status: 'completed', counts: { waiting: 2 } })
  })

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
