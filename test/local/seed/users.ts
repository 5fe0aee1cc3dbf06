import type { subscriptions, topics, users } from '../../../src/db/schema-product.ts'
import { fill, happens, numberFor, oneOf, someOf } from './choose.ts'
import { languages } from './languages/index.ts'

type User = typeof users.$inferSelect
type Subscription = typeof subscriptions.$inferSelect
type Topic = typeof topics.$inferSelect

const hourMs = 3_600_000

const numbered = (prefix: string, row: number) => prefix + String(row).padStart(6, '0')

/** The id of user number `row`, from 1. */
export const userId = (row: number): string => numbered('u', row)

export const languageOf = (row: number) => oneOf(languages, 'language', row)

/** A time up to `days` before `now`. */
const before = (now: Date, days: number, purpose: string, row: number) =>
  new Date(now.getTime() - numberFor(purpose, row, days * 24) * hourMs)

/** User number `row`. */
export function seedUser(row: number, now: Date): User {
  const language = languageOf(row)
  const given = oneOf(language.givenNames, 'given name', row)
  const family = oneOf(language.familyNames, 'family name', row)
  const dice = numberFor('status', row, 100)
  const status = dice < 88 ? 'active' : dice < 96 ? 'suspended' : 'deleted'
  const createdAt = before(now, 700, 'created', row)
  const lastActiveAt = before(now, status === 'active' ? 60 : 400, 'last active', row)
  return {
    id: userId(row),
    name: fill(language.fullName, { given, family }),
    email: `user${row}@example.com`,
    locale: oneOf(language.locales, 'locale', row),
    interests: someOf(language.interests, numberFor('how many interests', row, 5), 'interests', row),
    status,
    // Who never came back after signing up was never active.
    lastActiveAt: lastActiveAt > createdAt ? lastActiveAt : null,
    createdAt,
  }
}

/** What user number `row` pays or paid for: about a third pay today. */
export function seedSubscriptions(row: number, now: Date): Subscription[] {
  const subscription = (index: number, period: Period): Subscription => ({
    id: `${numbered('s', row)}-${index}`,
    userId: userId(row),
    ...period,
  })
  const current = currentPeriod(row, now)
  const ended = before(now, 365, 'earlier period', row)
  const earlier: Period = { plan: 'starter', status: 'canceled', currentPeriodEnd: ended }
  return [
    ...(current === null ? [] : [subscription(2, current)]),
    ...(happens('earlier subscription', row, 12) ? [subscription(1, earlier)] : []),
  ]
}

type Period = Pick<Subscription, 'plan' | 'status' | 'currentPeriodEnd'>

function currentPeriod(row: number, now: Date): Period | null {
  const plan = oneOf(['starter', 'starter', 'pro', 'pro', 'team'] as const, 'plan', row)
  const hours = (days: number) => (numberFor('period', row, days * 24) + 1) * hourMs
  const within = (days: number) => new Date(now.getTime() + hours(days))
  const dice = numberFor('subscription', row, 100)
  if (dice < 34) return { plan, status: 'active', currentPeriodEnd: within(31) }
  if (dice < 40) return { plan: 'pro', status: 'trialing', currentPeriodEnd: within(14) }
  if (dice < 45) return { plan, status: 'past_due', currentPeriodEnd: new Date(now.getTime() - hours(7)) }
  return dice < 75 ? { plan: 'free', status: 'active', currentPeriodEnd: null } : null
}

/** The latest conversations of user number `row`: none for some. */
export function seedTopics(row: number, now: Date): Topic[] {
  const language = languageOf(row)
  const titles = someOf(
    language.topics,
    oneOf([0, 0, 1, 1, 2, 2, 3, 6] as const, 'how many topics', row),
    'topics',
    row,
  )
  return titles.map((title, index) => ({
    id: `${numbered('t', row)}-${index + 1}`,
    userId: userId(row),
    title: fill(title, { subject: oneOf(language.interests, `topic ${index}`, row) }),
    createdAt: before(now, 90, `topic time ${index}`, row),
  }))
}
