import { beforeEach, describe, expect, test } from 'vitest'
import { grants, upgrades } from '../../src/db/schema.ts'
import { PermanentError } from '../../src/errors.ts'
import planUpgrade from '../../src/workflows/plan-upgrade/definition.ts'
import { failStep, killIn, startOne } from '../support/durable.ts'
import { local, resetEverything, rounds } from '../support/rounds.ts'
import { payments, subjects } from '../support/outside.ts'
import { addUser } from './records.ts'

/** A user who has asked for the plan `pro`, with this card. */
async function request(paymentMethod = 'pm_card_visa') {
  const { db } = rounds().services
  await addUser(db, 'ada')
  await db.insert(upgrades).values({
    id: 'up',
    userId: 'ada',
    plan: 'pro',
    amount: 2900,
    currency: 'usd',
    customer: 'cus_ada',
    paymentMethod,
  })
}

/** What the user has, and what was charged. */
async function outcome() {
  const { db } = rounds().services
  const given = (await db.select().from(grants)).filter(({ revokedAt }) => revokedAt === null)
  const [upgrade] = await db.select().from(upgrades)
  return {
    upgrade: upgrade?.status,
    grants: Object.fromEntries(given.map(({ kind, amount }) => [kind, amount])),
    payments: await payments(),
    mails: await subjects(),
  }
}

beforeEach(resetEverything)

const everything = {
  upgrade: 'active',
  grants: { quota: 10_000, credits: 1000 },
  payments: [{ customer: 'cus_ada', amount: 2900, state: 'charged', history: ['created', 'charged'] }],
  mails: ['Your new plan'],
}
const paidBack = [{ state: 'refunded', history: ['created', 'charged', 'refunded'] }]
const neverPaid = [{ state: 'canceled', history: ['created', 'canceled'] }]

/** What has become of the payment when a step has failed for good, and of a mail that cannot be undone. */
const after: Record<string, { payments: object[]; mails: string[] }> = {
  accept: { payments: [], mails: [] },
  prepare: { payments: [], mails: [] },
  charge: { payments: neverPaid, mails: [] },
  quota: { payments: paidBack, mails: [] },
  credits: { payments: paidBack, mails: [] },
  close: { payments: paidBack, mails: [] },
  notify: { payments: paidBack, mails: [] },
}

test('an upgrade is charged, and hands out what comes with the plan', async () => {
  await request()
  const one = await startOne(planUpgrade, 'up')
  expect(await one.run()).toMatchObject({ status: 'succeeded' })
  expect(await outcome()).toEqual(everything)
})

test('a declined card is final, and nothing else has happened', async () => {
  await request('pm_card_chargeDeclined')
  const one = await startOne(planUpgrade, 'up')
  expect(await one.run()).toMatchObject({ status: 'failed', error: { name: 'CardDeclined', step: 'charge' } })
  expect(await outcome()).toMatchObject({
    upgrade: 'failed',
    grants: {},
    payments: [{ history: ['created', 'declined', 'canceled'] }],
    mails: [],
  })
  const app = rounds()
  const next = await app.start('plan-upgrade')
  await app.deliver()
  expect(await app.batch(next.id)).toMatchObject({ plan: { totalEligible: 0 } })
})

describe.each(Object.keys(after))('when the step %s', (step) => {
  test('fails for good, exactly what was done before is undone', async () => {
    await request()
    const one = await startOne(failStep(planUpgrade, step, 1, new PermanentError('no')), 'up')
    expect(await one.run({ fate: () => 'twice' })).toMatchObject({ status: 'failed' })
    expect(await outcome()).toMatchObject({ grants: {}, ...after[step] })
    const statuses = await one.statuses()
    expect(Object.values(statuses)).not.toContain('done')
  })

  test('fails until its last try, no charge is left without what it was for', async () => {
    await request()
    const one = await startOne(failStep(planUpgrade, step, Infinity), 'up')
    expect(await one.run()).toMatchObject({ status: 'failed' })
    const found = await outcome()
    expect(found).toMatchObject({ grants: {}, mails: [] })
    for (const payment of found.payments) expect(payment.state).not.toBe('charged')
  })

  test.each(['before', 'after'] as const)(
    'is interrupted by a kill %s its work, all is done, once',
    async (when) => {
      await request()
      const kill = killIn(planUpgrade, step, when)
      const one = await startOne(kill.workflow, 'up')
      expect(await one.run({ ...kill.options, concurrency: 1 })).toMatchObject({ status: 'succeeded' })
      expect(await outcome()).toEqual(everything)
    },
  )
})

test('a gateway that fails for a while, also after it has charged, charges once', async () => {
  await request()
  await local('payments', 'faults', {
    rules: [
      { status: 502, times: 1 },
      { acts: true, times: 2 },
    ],
  })
  const one = await startOne(planUpgrade, 'up')
  expect(await one.run()).toMatchObject({ status: 'succeeded' })
  const { payments: made, ...rest } = await outcome()
  expect(rest).toMatchObject({ upgrade: 'active', grants: everything.grants })
  expect(made.filter(({ state }) => state === 'charged')).toHaveLength(1)
})

test('an upgrade whose refund could not be made is paid back by the retry, before anything is charged or given again', async () => {
  await request()
  await local('payments', 'faults', { rules: [{ operation: 'refund', status: 503, times: 4 }] })
  const one = await startOne(failStep(planUpgrade, 'notify', 1, new PermanentError('no')), 'up')
  expect(await one.run()).toMatchObject({ status: 'failed', error: { name: 'UndoFailed' } })
  expect(await outcome()).toMatchObject({ grants: {} })
  await one.act('retry', { all: true })
  expect(await one.run()).toMatchObject({ status: 'succeeded' })
  expect(await outcome()).toMatchObject({
    upgrade: 'active',
    grants: everything.grants,
    payments: [{ state: 'refunded' }, { state: 'charged' }],
  })
})

test('an upgrade whose batch is cancelled while it waits for patience is paid back, and may be asked for again', async () => {
  await request()
  await local('mail', 'faults', { rules: [{ status: 429, retryAfterSeconds: 3600 }] })
  const one = await startOne(planUpgrade, 'up')
  await one.runUntilWaiting({ longestSkipMs: 60_000 })
  expect(await outcome()).toMatchObject({ payments: [{ state: 'charged' }], grants: everything.grants })
  expect(await one.act('cancel')).toMatchObject({ status: 200 })
  expect(await one.run()).toMatchObject({ status: 'cancelled' })
  expect(await outcome()).toMatchObject({ upgrade: 'requested', grants: {}, payments: paidBack, mails: [] })
})
