import { and, desc, eq, sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Db } from '../../db/client.ts'
import { topics, users } from '../../db/schema.ts'
import { cachedResult } from '../cached-result.ts'
import { defineWorkflow, skip } from '../contract.ts'
import { inputVersion } from '../input-version.ts'
import { hasPaidPlan, paidOnlyParams } from '../paid-user.ts'
import { instructions, prompt } from './prompt.ts'

const data = z.object({ placeholders: z.array(z.string().min(1).max(120)).min(3).max(6) })
const { publish, cached } = cachedResult('aiGeneration:welcome_placeholder', data)

const recentTopics = (db: Db) =>
  db
    .select({ title: topics.title })
    .from(topics)
    .where(eq(topics.userId, users.id))
    .orderBy(desc(topics.createdAt), desc(topics.id))
    .limit(5)

/** Titles of the user's latest topics as a JSON array; in the version and in the work, so that both see the same. */
const topicTitles = (db: Db) => sql<string[]>`to_jsonb(array(${recentTopics(db)}))`

export default defineWorkflow({
  name: 'welcome-placeholder',
  entity: { one: 'user', many: 'users' },
  verb: 'generate',
  schedule: '0 3 * * *',
  estimate: { inputTokens: 400, outputTokens: 150, seconds: 3 },
  tolerate: { percent: 50, window: 100 },
  freshFor: '30 days',
  params: paidOnlyParams,
  data,
  population({ db, params }) {
    return db
      .select({ id: users.id, version: inputVersion(users.locale, users.interests, topicTitles(db)) })
      .from(users)
      .where(and(eq(users.status, 'active'), params.paidOnly ? hasPaidPlan(db, users.id) : undefined))
  },
  async work({ db, ai }, id) {
    const [user] = await db
      .select({ locale: users.locale, interests: users.interests, topics: topicTitles(db) })
      .from(users)
      .where(and(eq(users.id, id), eq(users.status, 'active')))
    if (user === undefined) return skip('the user is gone or not active any more')
    return await ai.object({ schema: data, instructions, prompt: prompt(user) })
  },
  publish,
  read: {
    path: '/api/users/:userId/welcome-placeholders',
    empty: { placeholders: [] },
    async own({ db }, id) {
      const [user] = await db.select({ id: users.id }).from(users).where(eq(users.id, id))
      return user === undefined ? undefined : null
    },
    cached,
  },
})
