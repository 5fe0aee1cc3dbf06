import type { Pool } from 'pg'
import { z } from 'zod'
import type { Chance } from './chance.ts'
import type { Lane } from './lane.ts'

/** A workflow with its population, and what is true of it alone. */
export type Scenario = {
  workflow: string
  /** Long waits are no silence. */
  sleeps: boolean
  /** Deliveries of one item, about. */
  deliveries: number
  table: string
  populate: (db: Pool, items: number, chance: Chance) => Promise<void>
  /** What the services outside must not have seen, given how the items ended. */
  violations: (lane: Lane, items: ReadonlyMap<string, ItemEnd>) => Promise<string[]>
}

/** How an item ended last, over all its batches. */
export type ItemEnd = {
  status: string
  error: string | null
  /** How often it was tried: batches that had it, and retries. */
  rounds: number
  batches: number
}

const ids = (items: number) => Array.from({ length: items }, (_, index) => String(index + 1).padStart(4, '0'))

/** @param isUnreachable the mail service refuses to write to it. */
async function addUsers(
  db: Pool,
  items: number,
  isUnreachable: (id: string) => boolean = () => false,
): Promise<void> {
  const emails = ids(items).map((id) => (isUnreachable(id) ? 'nowhere' : `u${id}@example.com`))
  await db.query(
    `insert into users (id, name, email) select 'u' || id, 'User ' || id, email
     from unnest($1::text[], $2::text[]) given(id, email)`,
    [ids(items), emails],
  )
}

const agentWelcome: Scenario = {
  workflow: 'agent-welcome',
  sleeps: false,
  deliveries: 2,
  table: 'agents',
  async populate(db, items) {
    await addUsers(db, 1)
    await db.query(
      `insert into agents (id, user_id, title) select 'a' || id, 'u0001', 'Agent a' || id from unnest($1::text[]) id`,
      [ids(items)],
    )
  },
  violations: async () => [],
}

const planUpgrade: Scenario = {
  workflow: 'plan-upgrade',
  sleeps: false,
  deliveries: 9,
  table: 'upgrades',
  async populate(db, items, chance) {
    // What was done for those is undone after the last step.
    await addUsers(db, items, (id) => chance.happens(`mail to ${id}`, 0.15))
    const cards = ids(items).map((id) =>
      chance.happens(`card ${id}`, 0.15) ? 'pm_card_chargeDeclined' : 'pm_card_visa',
    )
    await db.query(
      `insert into upgrades (id, user_id, plan, amount, currency, customer, payment_method)
       select 'g' || id, 'u' || id, 'pro', 2900, 'usd', 'cus_g' || id, card
       from unnest($1::text[], $2::text[]) given(id, card)`,
      [ids(items), cards],
    )
  },
  async violations(lane, items) {
    const standing = new Map<string, number>()
    for (const { customer, state } of lane.stack.payments.payments()) {
      if (state !== 'charged') continue
      standing.set(String(customer), (standing.get(String(customer)) ?? 0) + 1)
    }
    const { rows } = await lane.db.query(
      `select 'g' || substr(user_id, 2) as id, kind, count(*)::int as n from grants where revoked_at is null group by 1, 2`,
    )
    const grants = new Map(
      rows.map((row) => {
        const { id, kind, n } = z.object({ id: z.string(), kind: z.string(), n: z.int() }).parse(row)
        return [`${id} ${kind}`, n]
      }),
    )
    const twice = mailsTwice(lane, items, (to) => to.replace(/^u(\d+)@.*$/, 'g$1'))
    const uneven = [...items].flatMap(([id, { status, error }]) => {
      if (error?.startsWith('UndoFailed') === true) return []
      const wanted = status === 'succeeded' ? 1 : 0
      const had = {
        charges: standing.get(`cus_${id}`) ?? 0,
        quota: grants.get(`${id} quota`) ?? 0,
        credits: grants.get(`${id} credits`) ?? 0,
      }
      return Object.entries(had)
        .filter(([, n]) => n !== wanted)
        .map(([what, n]) => `${id} is ${status} and has ${n} ${what}`)
    })
    return [...twice, ...uneven]
  },
}

const trialLifecycle: Scenario = {
  workflow: 'trial-lifecycle',
  sleeps: true,
  deliveries: 15,
  table: 'subscriptions',
  async populate(db, items, chance) {
    await addUsers(db, items)
    const days = ids(items).map((id) => chance.between(`trial ${id}`, 8, 20))
    await db.query(
      `insert into subscriptions (id, user_id, plan, status, current_period_end)
       select 's' || id, 'u' || id, 'pro', 'trialing', moved_now() + make_interval(days => days)
       from unnest($1::text[], $2::int[]) given(id, days)`,
      [ids(items), days],
    )
  },
  violations: async (lane, items) => mailsTwice(lane, items, (to) => to.replace(/^u(\d+)@.*$/, 's$1')),
}

const agentReview: Scenario = {
  workflow: 'agent-review',
  sleeps: true,
  deliveries: 12,
  table: 'agents',
  async populate(db, items) {
    await addUsers(db, items)
    await db.query(
      `insert into agents (id, user_id, title, review) select 'a' || id, 'u' || id, 'Agent a' || id, 'submitted' from unnest($1::text[]) id`,
      [ids(items)],
    )
  },
  async violations(lane, items) {
    const { rows } = await lane.db.query(
      `select a.id, a.review, r.data->>'outcome' as outcome from agents a
       left join results r on r.workflow = 'agent-review' and r.item_id = a.id`,
    )
    const reviews = rows
      .map((row) => reviewSchema.parse(row))
      .filter(({ id, review, outcome }) => items.get(id)?.status === 'succeeded' && review !== outcome)
      .map(({ id, review, outcome }) => `${id} was ${outcome} and is ${review}`)
    return [...reviews, ...mailsTwice(lane, items, (to) => to.replace(/^u(\d+)@.*$/, 'a$1'))]
  },
}

const reviewSchema = z.object({ id: z.string(), review: z.string(), outcome: z.string().nullable() })

/** The same mail for the same item more often than it was tried. */
function mailsTwice(lane: Lane, items: ReadonlyMap<string, ItemEnd>, idOf: (to: string) => string): string[] {
  const sent = new Map<string, { id: string; subject: string; n: number }>()
  for (const { to, subject } of lane.stack.mail.sent()) {
    const mail = sent.get(`${to} ${subject}`) ?? { id: idOf(to), subject, n: 0 }
    sent.set(`${to} ${subject}`, { ...mail, n: mail.n + 1 })
  }
  return [...sent.values()]
    .filter(({ id, n }) => n > (items.get(id)?.rounds ?? 0))
    .map(
      ({ id, subject, n }) =>
        `${id} was sent "${subject}" ${n} times in ${items.get(id)?.rounds ?? 0} rounds`,
    )
}

export const scenarios: readonly [Scenario, ...Scenario[]] = [
  agentWelcome,
  agentWelcome,
  agentWelcome,
  planUpgrade,
  planUpgrade,
  trialLifecycle,
  agentReview,
]
