import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { PermanentError, RetryLaterError } from '../../../src/errors.ts'
import { reconcile } from '../../../src/engine/reconcile.ts'
import type { Handler } from '../../../src/workflows/contract.ts'
import { isItem, qstash, type Fate, type PendingDelivery } from '../../support/deliveries.ts'
import { insertUsers, userId } from '../../support/population.ts'
import { resetEverything, rounds } from '../../support/rounds.ts'
import { durableToy } from '../../support/toy.ts'

beforeEach(resetEverything)

type Toy = Handler<{ tag: string }, { text: string }>
const week = 7 * 24 * 3600 * 1000

/** Work, a week's sleep, and more work, with an undo of the first. */
function sleeper(options: Parameters<typeof durableToy>[1] = {}) {
  const acts: string[] = []
  const handler: Toy = async ({ id }, { step, sleep, compensate }) => {
    compensate('before', async () => void acts.push(`undo ${id}`))
    await step('before', async () => void acts.push(`before ${id}`))
    await sleep('rest', '7 days')
    await step('after', async () => void acts.push(`after ${id}`))
    return { text: id }
  }
  return { workflow: durableToy(handler, options), acts }
}

async function asleep(users: number, options: Parameters<typeof durableToy>[1] = {}) {
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

const done = (act: string, users: number) =>
  Array.from({ length: users }, (_, index) => `${act} ${userId(index + 1)}`)

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

describe('a handler of a new version', () => {
  test('takes new items, while items that have begun are finished by the old one', async () => {
    const old: Toy = async (_, { step, sleep }) => {
      await step('old', async () => 'old')
      await sleep('rest', '7 days')
      return { text: await step('end', async () => 'the old way') }
    }
    const current: Toy = async (_, { step }) => ({ text: await step('new', async () => 'the new way') })
    const before = rounds([durableToy({ 1: old }, { completion: 'started' })])
    await insertUsers(before.services.db, 2)
    await before.start('toy')
    await before.deliver({ longestSkipMs: 900_000 })
    const after = rounds([durableToy({ 1: old, 2: current }, { completion: 'started' })])
    await after.services.db.execute(sql`delete from users`)
    await insertUsers(after.services.db, 4)
    await after.start('toy')
    await after.deliver()
    const { rows } = await after.services.db.execute(
      sql`select i.item_id, i.handler, i.status, r.data->>'text' as text
        from batch_items i join results r using (workflow, item_id) order by item_id`,
    )
    expect(rows).toEqual([
      { item_id: userId(1), handler: 1, status: 'succeeded', text: 'the old way' },
      { item_id: userId(2), handler: 1, status: 'succeeded', text: 'the old way' },
      { item_id: userId(3), handler: 2, status: 'succeeded', text: 'the new way' },
      { item_id: userId(4), handler: 2, status: 'succeeded', text: 'the new way' },
    ])
  })
})

describe('an item that failed after it had acted', () => {
  const failing =
    (acts: string[], fails: { now: boolean }): Toy =>
    async ({ id }, { step }) => {
      await step('mail', async () => void acts.push(`mail ${id}`))
      await step('more', async () => {
        if (fails.now) throw new PermanentError('no')
      })
      return { text: 'ok' }
    }

  test('goes on from where it failed when it is tried again, and is not begun anew by the next batch', async () => {
    const acts: string[] = []
    const fails = { now: true }
    const app = rounds([durableToy(failing(acts, fails))])
    await insertUsers(app.services.db, 1)
    const { id } = await app.start('toy')
    await app.deliver()
    const next = await app.start('toy')
    await app.deliver()
    expect(await app.batch(next.id)).toMatchObject({
      status: 'completed',
      counts: { recorded: 0 },
      plan: { held: 1, toProcess: 0 },
    })
    fails.now = false
    await app.call('POST', `/api/admin/batches/${id}/retry`, { all: true, confirm: true })
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 1, failed: 0 } })
    expect(acts).toEqual([`mail ${userId(1)}`])
  })

  test('is begun anew only by force, which says how many that are, and wants to be confirmed', async () => {
    const acts: string[] = []
    const app = rounds([durableToy(failing(acts, { now: true }))])
    await insertUsers(app.services.db, 2)
    await app.start('toy')
    await app.deliver()
    const refused = await app.call('POST', '/api/admin/workflows/toy/batches', { force: true })
    expect(refused).toMatchObject({ status: 409, body: { error: { details: { again: 2, confirm: true } } } })
    await app.start('toy', { force: true, confirm: true })
    await app.deliver()
    expect(acts).toHaveLength(4)
  })
})

test('a service that asks for patience puts the item off, and costs it no try', async () => {
  let asked = 0
  const app = rounds([
    durableToy(async (_, { step }) => ({
      text: await step('patient', async () => {
        asked += 1
        if (asked < 9) throw new RetryLaterError('slowly', 30)
        return 'there'
      }),
    })),
  ])
  await insertUsers(app.services.db, 1)
  const { id } = await app.start('toy')
  const delivered = await app.deliver()
  expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 1 } })
  expect(asked).toBe(9)
  expect(delivered.every(({ status }) => status === 200)).toBe(true)
})

test('a handler that has no steps at all ends as well', async () => {
  const app = rounds([durableToy(async () => ({ text: 'nothing to it' }))])
  await insertUsers(app.services.db, 1)
  const { id } = await app.start('toy')
  await app.deliver()
  expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 1 } })
})

test('items whose first delivery is repeated, lost or unanswered are handled once', async () => {
  const { workflow, acts } = sleeper()
  const app = rounds([workflow])
  await insertUsers(app.services.db, 12)
  const { id } = await app.start('toy')
  let n = 0
  await app.deliver({
    fate: (delivery) => {
      if (!isItem(delivery) || delivery.headers['upstash-retried'] !== '0') return 'normal'
      n += 1
      return (['twice', 'unanswered', 'normal', 'normal', 'lost'] as const)[n % 5] ?? 'normal'
    },
  })
  expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 12 } })
  expect(acts.toSorted()).toEqual([...done('after', 12), ...done('before', 12)].toSorted())
})
