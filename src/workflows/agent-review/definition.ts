import { and, eq, inArray } from 'drizzle-orm'
import { z } from 'zod'
import type { Db } from '../../db/client.ts'
import { agents, users } from '../../db/schema.ts'
import { approval, type Decision } from '../approval.ts'
import { defineWorkflow, skip } from '../contract.ts'
import { inputVersion } from '../input-version.ts'
import { instructions, isCut, noticeOf, prompt } from './texts.ts'

const verdict = z.object({ verdict: z.enum(['publish', 'reject', 'unsure']), reason: z.string().max(500) })
const data = z.object({
  outcome: z.enum(['published', 'rejected']),
  by: z.enum(['model', 'person', 'timeout']),
  /** The model's. What a person has noted beside a decision is not for the owner. */
  reason: z.string().nullable(),
  /** The owner was told. */
  told: z.boolean(),
})
type Review = Omit<z.output<typeof data>, 'told'>

async function submissionOf(db: Db, id: string) {
  const [agent] = await db
    .select({ title: agents.title, description: agents.description, systemRole: agents.systemRole })
    .from(agents)
    .where(and(eq(agents.id, id), eq(agents.review, 'submitted')))
  return agent ?? null
}

async function ownerOf(db: Db, id: string): Promise<string | null> {
  const [owner] = await db
    .select({ email: users.email })
    .from(agents)
    .innerJoin(users, eq(users.id, agents.userId))
    .where(eq(agents.id, id))
  return owner?.email ?? null
}

type Shown = { title: string; description: string; systemRole: string }

/** Nothing is done to an agent that is not what was reviewed any more. */
async function carryOut(
  db: Db,
  id: string,
  { title, description, systemRole }: Shown,
  outcome: Review['outcome'],
): Promise<boolean> {
  const isThis = and(
    eq(agents.id, id),
    inArray(agents.review, ['submitted', outcome]),
    eq(agents.title, title),
    eq(agents.description, description),
    eq(agents.systemRole, systemRole),
  )
  const visible = outcome === 'published' ? { visibility: 'public' as const } : {}
  const done = await db
    .update(agents)
    .set({ review: outcome, ...visible })
    .where(isThis)
    .returning({ id: agents.id })
  return done.length > 0
}

/** What follows from what a person has decided, or nobody. */
const decided: Record<Decision, Review> = {
  approved: { outcome: 'published', by: 'person', reason: null },
  rejected: { outcome: 'rejected', by: 'person', reason: null },
  expired: { outcome: 'rejected', by: 'timeout', reason: null },
}

/** Lets agents into the public gallery: a model looks at each, and a person where the model is not sure. */
export default defineWorkflow({
  name: 'agent-review',
  entity: { one: 'agent', many: 'agents' },
  verb: 'review',
  schedule: '*/15 * * * *',
  uses: ['mail'],
  replaySafe: false,
  events: {},
  completion: 'started',
  timeout: '5 minutes',
  // A result says nothing about what is submitted again.
  freshFor: '0 seconds',
  estimate: { inputTokens: 1000, outputTokens: 80, seconds: 60 },
  params: z.object({}),
  data,
  population: ({ db }) =>
    db
      .select({ id: agents.id, version: inputVersion(agents.title, agents.description, agents.systemRole) })
      .from(agents)
      .where(eq(agents.review, 'submitted')),

  run: {
    1: async ({ id }, tools) => {
      const { step, parallel, call } = tools
      const agent = await step('look', ({ db }) => submissionOf(db, id))
      if (agent === null) return skip('it is not submitted any more')
      const judged = await call('moderate', ({ ai }) =>
        ai.object({ schema: verdict, instructions, prompt: prompt(agent) }),
      )
      const ask = () =>
        approval(tools, 'ask', {
          subject: agent.title,
          details: { reason: judged.reason },
          patience: '48 hours',
        })

      // What the model has not seen to its end it cannot be sure of.
      const isUnsure = judged.verdict === 'unsure' || isCut(agent)
      const review: Review = isUnsure
        ? decided[await ask()]
        : {
            outcome: judged.verdict === 'publish' ? 'published' : 'rejected',
            by: 'model',
            reason: judged.reason,
          }
      const isCarriedOut = await step('carry out', ({ db }) => carryOut(db, id, agent, review.outcome))
      if (!isCarriedOut) return skip('it was changed or withdrawn while it was reviewed')
      // The review stands, also when nobody can be told of it.
      const { tell } = await parallel({
        tell: async ({ db, mail }) => {
          const to = await ownerOf(db, id)
          return to === null ? null : await mail.send({ to, ...noticeOf(agent.title, review) })
        },
      })
      return { ...review, told: tell.ok && tell.value !== null }
    },
  },
})
