import { and, eq, not, sql } from 'drizzle-orm'
import { z } from 'zod'
import { agents } from '../../db/schema.ts'
import { cachedResult } from '../cached-result.ts'
import { defineWorkflow, skip } from '../contract.ts'
import { inputVersion } from '../input-version.ts'
import { hasPaidPlan, paidOnlyParams } from '../paid-user.ts'
import { instructions, prompt } from './prompt.ts'

const data = z.object({
  welcomeMessage: z.string().min(1).max(1000),
  openQuestions: z.array(z.string().min(1).max(200)).min(3).max(5),
})
const { publish, cached } = cachedResult('aiGeneration:agent_welcome', data)

/** A character that is no white space; Postgres alone would not take all of Unicode's for white. */
const visible = String.raw`[^\s\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]`

/** Other programs may have written anything there; what is no text is no question, and fails no batch over everybody. */
const textsIn = '$[*] ? (@.type() == "string")'
const ownQuestions = sql<string[]>`jsonb_path_query_array(${agents.openingQuestions}, ${textsIn})`

/** The owner wrote an opening message that is not blank, or opening questions. */
const hasOwnText = sql<boolean>`(
  coalesce(${agents.openingMessage}, '') ~ ${visible} or jsonb_array_length(${ownQuestions}) > 0)`
const eligible = and(eq(agents.virtual, false), not(hasOwnText))

export default defineWorkflow({
  name: 'agent-welcome',
  entity: { one: 'agent', many: 'agents' },
  verb: 'generate',
  schedule: '30 3 * * *',
  estimate: { inputTokens: 1200, outputTokens: 250, seconds: 4 },
  tolerate: { percent: 50, window: 100 },
  freshFor: '30 days',
  params: paidOnlyParams,
  data,
  population({ db, params }) {
    return db
      .select({
        id: agents.id,
        version: inputVersion(
          agents.locale,
          agents.title,
          agents.description,
          agents.tags,
          agents.systemRole,
        ),
      })
      .from(agents)
      .where(and(eligible, params.paidOnly ? hasPaidPlan(db, agents.userId) : undefined))
  },
  async work({ db, ai }, id) {
    const [agent] = await db
      .select({
        locale: agents.locale,
        title: agents.title,
        description: agents.description,
        tags: agents.tags,
        systemRole: agents.systemRole,
      })
      .from(agents)
      .where(and(eq(agents.id, id), eligible))
    if (agent === undefined) return skip('the agent is gone or has an opening text of its own by now')
    return await ai.object({ schema: data, instructions, prompt: prompt(agent) })
  },
  publish,
  read: {
    path: '/api/agents/:agentId/welcome',
    empty: { welcomeMessage: '', openQuestions: [] },
    async own({ db }, id) {
      const [agent] = await db
        .select({
          hasOwnText,
          welcomeMessage: sql<string>`coalesce(${agents.openingMessage}, '')`,
          openQuestions: ownQuestions,
        })
        .from(agents)
        .where(eq(agents.id, id))
      if (agent === undefined) return undefined
      const { welcomeMessage, openQuestions } = agent
      return agent.hasOwnText ? { welcomeMessage: welcomeMessage.trim(), openQuestions } : null
    },
    cached,
  },
})
