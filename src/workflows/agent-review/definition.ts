import { and, eq, inArray } from 'drizzle-orm'
import { z } from 'zod'
import type { Db } from '../../db/client.ts'
import { agents, approvals, users } from '../../db/schema.ts'
import { defineWorkflow, skip } from '../contract.ts'
import { inputVersion } from '../input-version.ts'
import { instructions, isCut, noticeOf, prompt } from './texts.ts'

/** How long a person may take to decide; then the answer is no. */
const patience = { text: '48 hours', ms: 48 * 3_600_000 } as const

const verdict = z.object({ verdict: z.enum(['publish', 'reject', 'unsure']), reason: z.string().max(500) })
const decision = z.enum(['approved', 'rejected'])
const data = z.object({
  outcome: z.enum(['published', 'rejected']),
  by: z.enum(['model', 'person', 'timeout']),
  reason: z.string(),
})
type Review = z.output<typeof data>

async function submissionOf(db: Db, id: string) {
  const [agent] = await db
    .select({
      title: agents.title,
      description: agents.description,
      systemRole: agents.systemRole,
      email: users.email,
    })
    .from(agents)
    .innerJoin(users, eq(users.id, agents.userId))
    .where(and(eq(agents.id, id), eq(agents.review, 'submitted')))
  return agent ?? null
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

const expire = (db: Db, id: string) =>
  db
    .update(approvals)
    .set({ status: 'expired', decidedAt: new Date() })
    .where(and(eq(approvals.id, id), eq(approvals.status, 'pending')))

/** What has been decided, from now on for good: nobody can decide any more. */
async function settle(db: Db, id: string): Promise<Review> {
  await expire(db, id)
  const [row] = await db
    .select({ status: approvals.status, reason: approvals.reason })
    .from(approvals)
    .where(eq(approvals.id, id))
  if (row?.status === 'approved') return { outcome: 'published', by: 'person', reason: row.reason ?? '' }
  const reason = row?.reason ?? 'nobody looked at it in time'
  return { outcome: 'rejected', by: row?.status === 'rejected' ? 'person' : 'timeout', reason }
}

/** Lets agents into the public gallery: a model looks at each, and a person where the model is not sure. */
export default defineWorkflow({
  name: 'agent-review',
  entity: { one: 'agent', many: 'agents' },
  verb: 'review',
  schedule: '*/15 * * * *',
  uses: ['mail'],
  replaySafe: false,
  completion: 'started',
  timeout: '5 minutes',
  estimate: { inputTokens: 1000, outputTokens: 80, seconds: 60 },
  params: z.object({}),
  data,
  population: ({ db }) =>
    db
      .select({ id: agents.id, version: inputVersion(agents.title, agents.description, agents.systemRole) })
      .from(agents)
      .where(eq(agents.review, 'submitted')),

  run: {
    1: async ({ id }, { step, parallel, call, waitForEvent, compensate }) => {
      const agent = await step('look', ({ db }) => submissionOf(db, id))
      if (agent === null) return skip('it is not submitted any more')
      const { email, ...shown } = agent
      const judged = await call('moderate', ({ ai }) =>
        ai.object({ schema: verdict, instructions, prompt: prompt(shown) }),
      )

      const askSomebody = async (): Promise<Review> => {
        compensate('ask', async ({ db, stepKey }) => void (await expire(db, stepKey)))
        const approvalId = await step('ask', async ({ db, key }) => {
          const expiresAt = new Date(Date.now() + patience.ms)
          const asked = {
            workflow: 'agent-review',
            itemId: id,
            event: 'decision',
            subject: agent.title,
            expiresAt,
          }
          await db
            .insert(approvals)
            .values({ id: key, ...asked, details: { reason: judged.reason } })
            .onConflictDoNothing()
          return key
        })
        await waitForEvent('decision', { data: decision, timeout: patience.text })
        return await step('settle', ({ db }) => settle(db, approvalId))
      }

      // What the model has not seen to its end it cannot be sure of.
      const isUnsure = judged.verdict === 'unsure' || isCut(shown)
      const review: Review = isUnsure
        ? await askSomebody()
        : {
            outcome: judged.verdict === 'publish' ? 'published' : 'rejected',
            by: 'model',
            reason: judged.reason,
          }
      const isCarriedOut = await step('carry out', ({ db }) => carryOut(db, id, shown, review.outcome))
      if (!isCarriedOut) return skip('it was changed or withdrawn while it was reviewed')
      // The review stands, also when nobody can be told of it.
      await parallel({ tell: ({ mail }) => mail.send({ to: email, ...noticeOf(agent.title, review) }) })
      return review
    },
  },
})
