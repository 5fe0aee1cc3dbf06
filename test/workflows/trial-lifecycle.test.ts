import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import trialLifecycle from '../../src/workflows/trial-lifecycle/definition.ts'
import { killIn, startOne } from '../support/durable.ts'
import { local, resetEverything, rounds } from '../support/rounds.ts'
import { mails, subjects } from '../support/outside.ts'
import { addUser } from './records.ts'

const days = (n: number) => new Date(Date.now() + n * 86_400_000)

/** A user in a trial that ends in two weeks. */
async function trial(endsAt: Date | null = days(14)) {
  const { db } = rounds().services
  await addUser(db, 'ada')
  await db.execute(
    sql`insert into subscriptions (id, user_id, plan, status, current_period_end)
      values ('trial', 'ada', 'pro', 'trialing', ${endsAt?.toISOString() ?? null}::timestamptz)`,
  )
  return {
    extend: (end: Date) =>
      db.execute(sql`update subscriptions set current_period_end = ${end.toISOString()}::timestamptz`),
    become: (status: string) => db.execute(sql`update subscriptions set status = ${status}`),
    comeBack: () => db.execute(sql`update users set status = 'active'`),
    leave: () => db.execute(sql`update users set status = 'deleted'`),
  }
}

beforeEach(resetEverything)

const [welcome, nudge, thanks, expiry] = [
  'Your trial has begun',
  'A week with us',
  'Thank you for staying',
  'Your trial has ended',
]

describe('a trial', () => {
  test('that nobody pays for gets three mails over two weeks, and a result', async () => {
    await trial()
    const one = await startOne(trialLifecycle, 'trial')
    expect(await one.runUntilWaiting()).toMatchObject({ status: 'waiting', waitingFor: 'first week' })
    expect(await subjects()).toEqual([welcome])
    await one.later('7 days')
    expect(await one.runUntilWaiting()).toMatchObject({ status: 'waiting', waitingFor: 'end of the trial' })
    expect(await subjects()).toEqual([welcome, nudge])
    expect(await one.run()).toMatchObject({ status: 'succeeded' })
    expect(await subjects()).toEqual([welcome, nudge, expiry])
    expect(await mails()).toMatchObject(Array.from({ length: 3 }, () => ({ to: 'ada@example.com' })))
    const { rows } = await one.services.db.execute(sql`select data from results`)
    expect(rows).toEqual([{ data: { outcome: 'expired', mails: ['welcome', 'nudge', 'expiry'] } }])
  })

  test('that was extended ends when it says by then', async () => {
    const { extend } = await trial()
    const one = await startOne(trialLifecycle, 'trial')
    await one.runUntilWaiting()
    await one.later('7 days')
    await one.runUntilWaiting()
    await extend(days(30))
    // QStash delays no message for longer: the sleep is two.
    await one.later('7 days')
    await one.runUntilWaiting()
    await one.later('7 days')
    expect(await one.runUntilWaiting()).toMatchObject({ status: 'waiting', waitingFor: 'end of the trial 2' })
    expect(await subjects()).toEqual([welcome, nudge])
    expect(await one.run()).toMatchObject({ status: 'succeeded' })
    expect(await subjects()).toEqual([welcome, nudge, expiry])
  })

  test('that became a plan in its first week ends with thanks', async () => {
    const { become } = await trial()
    const one = await startOne(trialLifecycle, 'trial')
    await one.runUntilWaiting()
    await become('active')
    expect(await one.run()).toMatchObject({ status: 'succeeded' })
    expect(await subjects()).toEqual([welcome, thanks])
  })

  test.each([
    ['canceled', [welcome]],
    ['past_due', [welcome, thanks]],
  ])('that is %s after its first week gets no nudge', async (status, expected) => {
    const { become } = await trial()
    const one = await startOne(trialLifecycle, 'trial')
    await one.runUntilWaiting()
    await become(status)
    expect(await one.run()).toMatchObject({ status: 'succeeded' })
    expect(await subjects()).toEqual(expected)
  })

  test('that became a plan after the nudge ends without another word', async () => {
    const { become } = await trial()
    const one = await startOne(trialLifecycle, 'trial')
    await one.runUntilWaiting()
    await one.later('7 days')
    await one.runUntilWaiting()
    await become('active')
    expect(await one.run()).toMatchObject({ status: 'succeeded' })
    expect(await subjects()).toEqual([welcome, nudge])
  })

  test.each([null, days(3)])(
    'that has no end, or one within the week, does not wait for it (%s)',
    async (endsAt) => {
      await trial(endsAt)
      const one = await startOne(trialLifecycle, 'trial')
      await one.run()
      expect(await subjects()).toEqual([welcome, nudge, expiry])
    },
  )

  test('of a user who has left gets no further mail', async () => {
    const { leave, comeBack } = await trial()
    const one = await startOne(trialLifecycle, 'trial')
    await one.runUntilWaiting()
    await leave()
    expect(await one.run()).toMatchObject({ status: 'succeeded' })
    expect(await subjects()).toEqual([welcome])
    await comeBack()
    const next = await rounds().start('trial-lifecycle')
    await rounds().deliver()
    expect(await rounds().batch(next.id)).toMatchObject({ plan: { alreadyProcessed: 1, toProcess: 0 } })
    expect(await subjects()).toEqual([welcome])
  })

  test('whose mail is refused fails, and the retry goes on with that mail', async () => {
    await trial()
    const one = await startOne(trialLifecycle, 'trial')
    await one.runUntilWaiting()
    await local('mail', 'faults', { rules: [{ status: 422 }] })
    expect(await one.run()).toMatchObject({ status: 'failed', error: { name: 'Mail422', step: 'nudge' } })
    await local('mail', 'faults', { rules: [] })
    await one.act('retry', { all: true, confirm: true })
    expect(await one.run()).toMatchObject({ status: 'succeeded' })
    expect(await subjects()).toEqual([welcome, nudge, expiry])
  })
})

describe('no mail is sent twice', () => {
  test('when every delivery comes twice', async () => {
    await trial()
    const one = await startOne(trialLifecycle, 'trial')
    await one.run({ fate: () => 'twice' })
    expect(await subjects()).toEqual([welcome, nudge, expiry])
  })

  test.each(['before', 'after'] as const)('when the Worker is killed %s it is sent', async (when) => {
    await trial()
    const kill = killIn(trialLifecycle, 'nudge', when)
    const one = await startOne(kill.workflow, 'trial')
    expect(await one.run({ ...kill.options, concurrency: 1 })).toMatchObject({ status: 'succeeded' })
    expect(await subjects()).toEqual([welcome, nudge, expiry])
  })

  test('when the answer to it is lost, or the service is down for a while', async () => {
    await trial()
    await local('mail', 'faults', {
      rules: [
        { match: welcome, acts: true, times: 1 },
        { status: 503, times: 2 },
      ],
    })
    const one = await startOne(trialLifecycle, 'trial')
    expect(await one.run()).toMatchObject({ status: 'succeeded' })
    expect(await subjects()).toEqual([welcome, nudge, expiry])
  })

  test('when a batch of the next night finds the trial still going on', async () => {
    await trial()
    const app = rounds()
    await app.start('trial-lifecycle')
    await app.deliver({ longestSkipMs: 900_000 })
    const next = await app.start('trial-lifecycle')
    await app.deliver({ longestSkipMs: 900_000 })
    expect(await app.batch(next.id)).toMatchObject({
      status: 'completed',
      counts: { recorded: 0 },
      plan: { held: 1 },
    })
    await app.deliver()
    expect(await subjects()).toEqual([welcome, nudge, expiry])
    const last = await app.start('trial-lifecycle')
    await app.deliver()
    expect(await app.batch(last.id)).toMatchObject({ plan: { alreadyProcessed: 1, toProcess: 0 } })
  })
})

test('without a mail service it is listed as not configured, and does not start', async () => {
  await trial()
  const app = rounds([trialLifecycle], { MAIL_API_KEY: undefined })
  const { body } = await app.call('GET', '/api/admin/workflows')
  expect(body).toMatchObject({
    data: [{ name: 'trial-lifecycle', notConfigured: ['MAIL_API_KEY', 'MAIL_FROM'] }],
  })
  const refused = { status: 409, body: { error: { details: { variables: ['MAIL_API_KEY', 'MAIL_FROM'] } } } }
  expect(await app.call('POST', '/api/admin/workflows/trial-lifecycle/batches')).toMatchObject(refused)
  expect(await app.call('POST', '/api/admin/workflows/trial-lifecycle/items/trial')).toMatchObject(refused)
})
