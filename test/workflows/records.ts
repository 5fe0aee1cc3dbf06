import type { Db } from '../../src/db/client.ts'
import { agents, subscriptions, topics, users } from '../../src/db/schema.ts'

/** Inserts a user whom both workflows are about, apart from `changes`. */
export async function addUser(
  db: Db,
  id: string,
  changes: Partial<typeof users.$inferInsert> = {},
): Promise<void> {
  const usual = { name: `Name of ${id}`, email: `${id}@example.com`, interests: ['gardening'] }
  await db.insert(users).values({ id, ...usual, ...changes })
}

export const agentOwner = 'owner'

/** Inserts an agent without an opening text of its own, apart from `changes`; its owner is made when missing. */
export async function addAgent(
  db: Db,
  id: string,
  changes: Partial<typeof agents.$inferInsert> = {},
): Promise<void> {
  const userId = changes.userId ?? agentOwner
  await db
    .insert(users)
    .values({ id: userId, name: 'An owner', email: `${userId}@example.com` })
    .onConflictDoNothing()
  await db
    .insert(agents)
    .values({ id, userId, title: `Agent ${id}`, systemRole: 'You help gardeners.', ...changes })
}

type Subscription = Pick<typeof subscriptions.$inferInsert, 'plan' | 'status'>

export async function subscribe(db: Db, userId: string, ...all: Subscription[]): Promise<void> {
  const rows = all.map(({ plan, status }, n) => ({ id: `${userId}-${n}`, userId, plan, status }))
  await db.insert(subscriptions).values(rows)
}

/** Inserts topics of a user, each a minute later than the one before. */
export async function addTopics(db: Db, userId: string, titles: string[], from = '2026-01-01T00:00:00Z') {
  const rows = titles.map((title, n) => ({
    id: `${userId}-${title}`,
    userId,
    title,
    createdAt: new Date(Date.parse(from) + n * 60_000),
  }))
  await db.insert(topics).values(rows)
}
