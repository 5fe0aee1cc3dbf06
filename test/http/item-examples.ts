import { z } from 'zod'
import { approvals, itemSteps } from '../../src/db/schema.ts'
import type { rounds } from '../support/rounds.ts'
import { addAgent, addUser, subscribe } from '../workflows/records.ts'
import type { Example } from './calls.ts'
import { created, nobody, ok, refused } from './outcomes.ts'

type Rounds = ReturnType<typeof rounds>

const agents = { name: 'agent-welcome' }

const asked = async (app: Rounds, status: 'pending' | 'expired' = 'pending') => {
  const about = { workflow: 'agent-review', itemId: 'guide', event: 'decision', subject: 'A guide' }
  const expiresAt = new Date(Date.now() + 60_000)
  await app.services.db.insert(approvals).values({ id: 'one', ...about, details: {}, status, expiresAt })
  return { id: 'one' }
}

const trial = { name: 'trial-lifecycle', itemId: 'ada-0' }

/** A trial that is accompanied. */
async function accompanied(app: Rounds) {
  await addUser(app.services.db, 'ada')
  await subscribe(app.services.db, 'ada', { plan: 'pro', status: 'trialing' })
  await app.call('POST', `/api/admin/workflows/trial-lifecycle/items/${trial.itemId}`)
  return { ...trial, event: 'answer' }
}

/** Calls about single items, and about what waits for a person. */
export const itemExamples: Record<string, { succeeds: Example[]; refused: Example[] }> = {
  startItem: {
    succeeds: [
      created(async (app) => {
        await addAgent(app.services.db, 'guide')
        return { params: { ...agents, itemId: 'guide' }, body: { reason: 'asked for by its owner' } }
      }),
      ok(async (app) => {
        await addAgent(app.services.db, 'guide')
        const call = { params: { ...agents, itemId: 'guide' }, headers: { 'idempotency-key': 'guide' } }
        await app.call('POST', '/api/admin/workflows/agent-welcome/items/guide', {}, call.headers)
        return call
      }),
    ],
    refused: [
      refused(400, { params: { ...agents, itemId: 'guide' }, body: { limit: 1 } }),
      refused(404, { params: { ...agents, itemId: 'nobody' } }),
      refused(409, async (app) => {
        await addAgent(app.services.db, 'guide')
        await app.call('PUT', '/api/admin/kill-switches/all', { on: true })
        return { params: { ...agents, itemId: 'guide' } }
      }),
    ],
  },
  findItem: {
    succeeds: [
      ok(async (app) => {
        await addAgent(app.services.db, 'guide')
        await app.call('POST', '/api/admin/workflows/agent-welcome/items/guide')
        return { params: { ...agents, itemId: 'guide' } }
      }),
      ok({ params: { ...agents, itemId: 'nobody' } }),
    ],
    refused: [refused(404, { params: { name: 'nothing', itemId: 'guide' } })],
  },
  getItem: {
    succeeds: [
      ok(async (app) => {
        await addAgent(app.services.db, 'guide')
        const { body } = await app.call('POST', '/api/admin/workflows/agent-welcome/items/guide')
        const { batchId } = z.object({ batchId: z.string() }).parse(body)
        return { params: { id: batchId, itemId: 'guide' } }
      }),
    ],
    refused: [refused(404, { params: { id: nobody, itemId: 'guide' } })],
  },
  giveEvent: {
    succeeds: [
      ok(async (app) => ({
        params: await accompanied(app),
        body: { data: { any: 'JSON' }, reason: 'asked by phone' },
      })),
    ],
    refused: [
      refused(400, { params: { ...trial, event: 'answer' }, body: {} }),
      refused(400, {
        params: { name: 'agent-review', itemId: 'guide', event: 'ask.decision' },
        body: { data: 'approved' },
      }),
      refused(404, { params: { ...trial, event: 'answer' }, body: { data: null } }),
      refused(404, { params: { name: 'nothing', itemId: 'guide', event: 'answer' }, body: { data: null } }),
      refused(409, async (app) => {
        const params = await accompanied(app)
        await app.call('POST', `/api/admin/workflows/trial-lifecycle/items/${trial.itemId}/events/answer`, {
          data: 1,
        })
        return { params, body: { data: 2 } }
      }),
    ],
  },
  getApproval: {
    succeeds: [ok((app) => asked(app).then((params) => ({ params })))],
    refused: [refused(404, { params: { id: 'two' } })],
  },
  listApprovals: {
    succeeds: [
      ok(async (app) => {
        await asked(app)
        return { query: '?status=pending&limit=1' }
      }),
    ],
    refused: [refused(400, { query: '?nonsense=1' })],
  },
  decideApproval: {
    succeeds: [
      ok(async (app) => {
        await addAgent(app.services.db, 'guide', { review: 'submitted' })
        const { body } = await app.call('POST', '/api/admin/workflows/agent-review/items/guide')
        const { batchId } = z.object({ batchId: z.string() }).parse(body)
        const params = await asked(app)
        const step = { batchId, itemId: 'guide', name: 'ask', attempt: 1 }
        await app.services.db
          .insert(itemSteps)
          .values({ ...step, kind: 'step', status: 'done', result: params.id })
        return { params, body: { decision: 'approved', reason: 'harmless' } }
      }),
    ],
    refused: [
      refused(400, { params: { id: 'one' }, body: { decision: 'perhaps' } }),
      refused(404, { params: { id: 'no-such' }, body: { decision: 'approved' } }),
      refused(409, async (app) => ({ params: await asked(app, 'expired'), body: { decision: 'approved' } })),
      refused(409, async (app) => ({ params: await asked(app), body: { decision: 'approved' } })),
    ],
  },
}
