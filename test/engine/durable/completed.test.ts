import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { reconcile } from '../../../src/engine/reconcile.ts'
import { PermanentError } from '../../../src/errors.ts'
import { insertUsers } from '../../support/population.ts'
import { resetEverything, rounds } from '../../support/rounds.ts'
import { durableToy } from '../../support/toy.ts'
import { asleep } from './sleeper.ts'

beforeEach(resetEverything)

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

  test('is resumed after a kill switch without waiting for the tick', async () => {
    const app = await asleep(2, { completion: 'started' })
    await app.call('PUT', '/api/admin/kill-switches/toy', { on: true })
    await app.deliver()
    expect(await app.act('resume')).toMatchObject({ status: 409 })
    await app.call('PUT', '/api/admin/kill-switches/toy', { on: false })
    expect(await app.act('resume')).toMatchObject({ status: 200 })
    await app.deliver()
    expect(await app.now()).toMatchObject({ counts: { succeeded: 2 } })
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
