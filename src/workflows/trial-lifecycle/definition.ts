import { and, eq, sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Db } from '../../db/client.ts'
import { subscriptions, users } from '../../db/schema.ts'
import { defineWorkflow, skip, type StepServices } from '../contract.ts'
import { expiryMail, nudgeMail, thanksMail, welcomeMail } from './mails.ts'

const data = z.object({ outcome: z.enum(['converted', 'expired', 'left']), mails: z.array(z.string()) })

/** How a trial stands, and whether there is anybody to write to. */
async function trialOf(db: Db, id: string) {
  const [trial] = await db
    .select({
      status: subscriptions.status,
      endsAt: sql<
        string | null
      >`to_char(${subscriptions.currentPeriodEnd} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`,
      isReachable: sql<boolean>`${users.status} = 'active'`,
    })
    .from(subscriptions)
    .innerJoin(users, eq(users.id, subscriptions.userId))
    .where(eq(subscriptions.id, id))
  return trial ?? null
}

type Trial = NonNullable<Awaited<ReturnType<typeof trialOf>>>
const isReachable = (trial: Trial | null): trial is Trial => trial?.isReachable === true

/** Whoever is late with a payment has chosen a plan all the same. */
const isPaid = ({ status }: Trial) => status === 'active' || status === 'past_due'

/** @returns null when nobody is there to get it. */
async function write({ db, mail }: StepServices, id: string, compose: typeof welcomeMail) {
  const [reader] = await db
    .select({ name: users.name, email: users.email })
    .from(subscriptions)
    .innerJoin(users, eq(users.id, subscriptions.userId))
    .where(and(eq(subscriptions.id, id), eq(users.status, 'active')))
  return reader === undefined ? null : await mail.send(compose(reader))
}

/** Accompanies a trial from its first day to its end. */
export default defineWorkflow({
  name: 'trial-lifecycle',
  entity: { one: 'trial', many: 'trials' },
  verb: 'accompany',
  schedule: '0 8 * * *',
  uses: ['mail'],
  replaySafe: false,
  completion: 'started',
  tolerate: { percent: 50, window: 100 },
  params: z.object({}),
  data,
  population: ({ db }) =>
    db
      .select({ id: subscriptions.id, version: sql<string>`'1'` })
      .from(subscriptions)
      .innerJoin(users, eq(users.id, subscriptions.userId))
      .where(and(eq(subscriptions.status, 'trialing'), eq(users.status, 'active'))),

  run: {
    1: async ({ id }, { step, sleep, sleepUntil }) => {
      const mails: string[] = []
      const look = (name: string) => step(name, ({ db }) => trialOf(db, id))
      const send = async (name: string, compose: typeof welcomeMail) => {
        const sent = await step(name, (services) => write(services, id, compose))
        if (sent !== null) mails.push(name)
      }

      const first = await look('look at the start')
      if (!isReachable(first) || first.status !== 'trialing')
        return skip('the trial is over, or the user is gone')
      await send('welcome', welcomeMail)
      await sleep('first week', '7 days')

      const later = await look('look after a week')
      if (!isReachable(later)) return { outcome: 'left' as const, mails }
      if (isPaid(later)) {
        await send('thanks', thanksMail)
        return { outcome: 'converted' as const, mails }
      }
      if (later.status === 'canceled') return { outcome: 'left' as const, mails }
      await send('nudge', nudgeMail)
      // The end may be put off.
      let last: Trial | null = later
      for (let turn = 1, endsAt = later.endsAt; isReachable(last); turn += 1) {
        const nth = turn === 1 ? '' : ` ${turn}`
        if (endsAt !== null) await sleepUntil(`end of the trial${nth}`, endsAt)
        last = await look(`look at the end${nth}`)
        if (last?.status !== 'trialing' || last.endsAt === endsAt) break
        endsAt = last.endsAt
      }
      if (!isReachable(last)) return { outcome: 'left' as const, mails }
      if (isPaid(last)) return { outcome: 'converted' as const, mails }
      await send('expiry', expiryMail)
      return { outcome: 'expired' as const, mails }
    },
  },
})
