import { and, eq, inArray, isNull } from 'drizzle-orm'
import { z } from 'zod'
import type { Db } from '../../db/client.ts'
import { grants, upgrades, users } from '../../db/schema.ts'
import { PermanentError } from '../../errors.ts'
import { defineWorkflow, skip, type StepServices } from '../contract.ts'
import { inputVersion } from '../input-version.ts'

/** What comes with a plan: requests a day, and credits once. */
const included = {
  starter: { quota: 1_000, credits: 100 },
  pro: { quota: 10_000, credits: 1_000 },
  team: { quota: 100_000, credits: 10_000 },
} as const

const prepared = z.object({ paymentId: z.string() })
const data = z.object({ paymentId: z.string(), quota: z.int(), credits: z.int() })

async function requestOf(db: Db, id: string) {
  const [request] = await db
    .select({
      userId: upgrades.userId,
      plan: upgrades.plan,
      amount: upgrades.amount,
      currency: upgrades.currency,
      customer: upgrades.customer,
      paymentMethod: upgrades.paymentMethod,
    })
    .from(upgrades)
    // One that has failed is not begun by itself any more, but an operator may try it again.
    .where(and(eq(upgrades.id, id), inArray(upgrades.status, ['requested', 'failed'])))
  return request ?? null
}

async function tell({ db, mail }: StepServices, userId: string, text: string) {
  const [user] = await db.select({ email: users.email }).from(users).where(eq(users.id, userId))
  return user === undefined ? null : await mail.send({ to: user.email, subject: 'Your new plan', text })
}

type Grant = { userId: string; kind: 'quota' | 'credits'; amount: number }

/** Gives it once, however often it is asked with the same key. */
async function grant(db: Db, key: string, given: Grant): Promise<number> {
  await db
    .insert(grants)
    .values({ id: key, ...given })
    .onConflictDoNothing()
  return given.amount
}

const revoke = (db: Db, key: string) =>
  db
    .update(grants)
    .set({ revokedAt: new Date() })
    .where(and(eq(grants.id, key), isNull(grants.revokedAt)))

type Status = (typeof upgrades.$inferSelect)['status']

/** Whoever asked may have asked for something else meanwhile. */
const setStatus = (db: Db, id: string, from: Status[], status: Status) =>
  db
    .update(upgrades)
    .set({ status })
    .where(and(eq(upgrades.id, id), inArray(upgrades.status, from)))

/** Charges for a plan and hands out what comes with it: all of it, or nothing. */
export default defineWorkflow({
  name: 'plan-upgrade',
  entity: { one: 'upgrade', many: 'upgrades' },
  verb: 'fulfil',
  schedule: '*/10 * * * *',
  uses: ['payments', 'mail'],
  replaySafe: false,
  tolerate: { percent: 30, window: 50 },
  params: z.object({}),
  data,
  population: ({ db }) =>
    db
      .select({
        id: upgrades.id,
        version: inputVersion(upgrades.plan, upgrades.amount, upgrades.paymentMethod),
      })
      .from(upgrades)
      .where(eq(upgrades.status, 'requested')),

  run: {
    1: async ({ id }, { step, parallel, compensate }) => {
      // Undone last: whoever asked may ask again, with another card.
      compensate('accept', async ({ db, because }) => {
        if (because === 'failed') await setStatus(db, id, ['requested'], 'failed')
      })
      const request = await step('accept', ({ db }) => requestOf(db, id))
      if (request === null) return skip('it was fulfilled or withdrawn by now')
      const { userId, plan, amount, currency, customer, paymentMethod } = request

      // Nothing is charged by preparing it, so that what may have been charged has an id to be undone by.
      compensate('prepare', async ({ payments }, result) => {
        const done = prepared.safeParse(result)
        if (done.success) await payments.undo(done.data.paymentId)
      })
      const order = { amount, currency, customer, paymentMethod, description: `Upgrade to ${plan}` }
      const { paymentId } = await step('prepare', ({ payments }) => payments.prepare(order))

      compensate('charge', async ({ payments }) => void (await payments.undo(paymentId)))
      await step('charge', ({ payments }) => payments.charge(paymentId))

      const { quota, credits } = included[plan]
      compensate('quota', async ({ db, stepKey }) => void (await revoke(db, stepKey)))
      compensate('credits', async ({ db, stepKey }) => void (await revoke(db, stepKey)))
      const given = await parallel({
        quota: ({ db, key }) => grant(db, key, { userId, kind: 'quota', amount: quota }),
        credits: ({ db, key }) => grant(db, key, { userId, kind: 'credits', amount: credits }),
      })
      for (const outcome of Object.values(given)) {
        if (!outcome.ok) throw new PermanentError(outcome.error.message)
      }

      compensate('close', async ({ db }) => void (await setStatus(db, id, ['active'], 'requested')))
      await step('close', async ({ db }) => void (await setStatus(db, id, ['requested', 'failed'], 'active')))
      const text = `Your plan is ${plan} now, with ${quota} requests a day and ${credits} credits.`
      await step('notify', (services) => tell(services, userId, text))
      return { paymentId, quota, credits }
    },
  },
})
