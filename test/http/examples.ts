import { z } from 'zod'
import { batches } from '../../src/db/schema.ts'
import { local, type rounds } from '../support/rounds.ts'
import { addAgent, addUser } from '../workflows/records.ts'
import { pastBatch, startedBatch } from './batches.ts'
import type { Example, Call } from './calls.ts'
import { itemExamples } from './item-examples.ts'
import { created, nobody, ok, refused } from './outcomes.ts'
import type { Operation } from './document.ts'

type Rounds = ReturnType<typeof rounds>

const idOf = (answer: { body: unknown }) => z.object({ id: z.string() }).parse(answer.body).id

const running = async (app: Rounds) => ({ params: { id: (await startedBatch(app)).id } })
const act = (action: string) => async (app: Rounds) => {
  const call = await running(app)
  await app.call('POST', `/api/admin/batches/${call.params.id}/${action}`)
  return call
}
const ended = async (app: Rounds) => {
  const row = pastBatch(1)
  await app.services.db.insert(batches).values(row)
  return { params: { id: row.id } }
}
const failed = async (app: Rounds) => {
  await local('model', 'faults', { rules: [{ status: 400 }] })
  const call = await running(app)
  await app.deliver()
  return call
}
const planned = async (app: Rounds, body: unknown = {}) => {
  const path = '/api/admin/workflows/agent-welcome/batches'
  return idOf(await app.call('POST', path, { dryRun: true, ...z.object({}).loose().parse(body) }))
}
const sampled = async (app: Rounds) => {
  await addUser(app.services.db, 'ada')
  return idOf(await app.call('POST', '/api/admin/workflows/welcome-placeholder/samples', { count: 1 }))
}
const makeToken = async (app: Rounds, name: string) => {
  await app.call('POST', '/api/admin/tokens', { name, role: 'viewer' })
  return { params: { name } }
}

const noBatch = refused(404, { params: { id: nobody } })
const badQuery = (call: Call = {}) => refused(400, { ...call, query: '?nonsense=1' })
const agents = { name: 'agent-welcome' }
const users = { name: 'welcome-placeholder' }

/** Calls of every operation that succeed, and that are refused for another reason than the token. */
export const examples: Record<string, { succeeds: Example[]; refused: Example[] }> = {
  getHealth: { succeeds: [ok()], refused: [] },
  listWorkflows: { succeeds: [ok()], refused: [] },
  startBatch: {
    succeeds: [
      created({ params: agents, body: { limit: 2, reason: 'a try' } }),
      ok({ params: agents, body: { dryRun: true } }),
      ok(async (app) => {
        const call = { params: agents, headers: { 'idempotency-key': 'monday' } }
        await app.call('POST', '/api/admin/workflows/agent-welcome/batches', {}, call.headers)
        return call
      }),
      created(async (app) => ({ params: agents, body: { planId: await planned(app) } })),
    ],
    refused: [
      refused(400, { params: agents, body: { limit: 'all' } }),
      refused(404, { params: { name: 'no-such-workflow' } }),
      refused(409, async (app) => {
        await startedBatch(app)
        return { params: users }
      }),
    ],
  },
  createSample: {
    succeeds: [
      ok(async (app) => {
        await addUser(app.services.db, 'ada')
        return { params: users, body: { itemIds: ['ada'] } }
      }),
      ok({ params: agents }),
    ],
    refused: [
      refused(400, { params: users, body: { count: 21 } }),
      refused(404, { params: { name: 'no-such-workflow' } }),
      refused(409, async (app) => {
        await app.call('PUT', '/api/admin/kill-switches/all', { on: true })
        return { params: users }
      }),
    ],
  },
  getSample: {
    succeeds: [ok(async (app) => ({ params: { id: await sampled(app) } }))],
    refused: [noBatch, refused(400, { params: { id: '7' } })],
  },
  listPlans: {
    succeeds: [
      ok(async (app) => {
        await planned(app)
        return { query: '?workflow=agent-welcome&limit=1' }
      }),
    ],
    refused: [badQuery()],
  },
  getPlan: {
    succeeds: [ok(async (app) => ({ params: { id: await planned(app, { limit: 3, force: true }) } }))],
    refused: [noBatch, refused(400, { params: { id: '7' } })],
  },
  listBatches: {
    succeeds: [
      ok(async (app) => {
        await running(app)
        return { query: '?status=running' }
      }),
    ],
    refused: [badQuery()],
  },
  getBatch: { succeeds: [ok(running), ok(ended), ok(failed)], refused: [noBatch] },
  listItems: {
    succeeds: [ok(failed), ok(async (app) => ({ ...(await failed(app)), query: '?status=failed&limit=1' }))],
    refused: [noBatch, badQuery({ params: { id: nobody } })],
  },
  ...itemExamples,
  followBatch: { succeeds: [ok(ended), ok(failed)], refused: [noBatch] },
  getProof: { succeeds: [ok(running), ok(failed), ok(act('cancel'))], refused: [noBatch] },
  downloadProof: { succeeds: [ok(running), ok(failed)], refused: [noBatch] },
  pauseBatch: { succeeds: [ok(running), ok(act('pause'))], refused: [noBatch, refused(409, ended)] },
  resumeBatch: { succeeds: [ok(act('pause')), ok(running)], refused: [noBatch, refused(409, ended)] },
  cancelBatch: { succeeds: [ok(running), ok(act('cancel'))], refused: [noBatch, refused(409, ended)] },
  changeLimits: {
    succeeds: [
      ok(async (app) => ({ ...(await running(app)), body: { rate: 3, budget: { tokens: 9000 } } })),
      ok(async (app) => ({ ...(await running(app)), body: { tolerate: { count: 3, window: 10 } } })),
    ],
    refused: [
      refused(400, async (app) => ({ ...(await running(app)), body: { rate: 0 } })),
      refused(404, { params: { id: nobody }, body: { rate: 3 } }),
      refused(409, async (app) => ({ ...(await ended(app)), body: { rate: 3 } })),
    ],
  },
  listFailures: { succeeds: [ok(failed), ok(running)], refused: [noBatch] },
  retryFailed: {
    succeeds: [ok(async (app) => ({ ...(await failed(app)), body: { all: true } }))],
    refused: [
      refused(400, async (app) => ({ ...(await failed(app)), body: {} })),
      refused(404, { params: { id: nobody }, body: { all: true } }),
      refused(409, async (app) => ({ ...(await act('cancel')(app)), body: { all: true } })),
    ],
  },
  listKillSwitches: {
    succeeds: [
      ok(async (app) => {
        await app.call('PUT', '/api/admin/kill-switches/all', { on: true })
        return {}
      }),
    ],
    refused: [],
  },
  setKillSwitch: {
    succeeds: [
      ok({ params: { workflow: 'all' }, body: { on: true, reason: 'the model is wrong' } }),
      ok({ params: { workflow: 'agent-welcome' }, body: { on: false } }),
    ],
    refused: [
      refused(400, { params: { workflow: 'all' }, body: { on: 'yes' } }),
      refused(404, { params: { workflow: 'no-such-workflow' }, body: { on: true } }),
    ],
  },
  listChanges: {
    succeeds: [
      ok(async (app) => {
        await act('pause')(app)
        return { query: '?limit=2' }
      }),
    ],
    refused: [badQuery(), refused(400, { query: '?cursor=latest' })],
  },
  listTokens: {
    succeeds: [
      ok(async (app) => {
        await makeToken(app, 'grafana')
        return {}
      }),
    ],
    refused: [],
  },
  createToken: {
    succeeds: [created({ body: { name: 'grafana', role: 'viewer', reason: 'a dashboard' } })],
    refused: [
      refused(400, { body: { name: 'grafana', role: 'admin' } }),
      refused(409, async (app) => {
        await makeToken(app, 'grafana')
        return { body: { name: 'grafana', role: 'operator' } }
      }),
    ],
  },
  revokeToken: {
    succeeds: [{ status: 204, call: (app) => makeToken(app, 'grafana') }],
    refused: [refused(404, { params: { name: 'grafana' } })],
  },
  readWelcomePlaceholder: {
    succeeds: [
      ok(async (app) => {
        await addUser(app.services.db, 'ada')
        return { params: { userId: 'ada' } }
      }),
    ],
    refused: [refused(404, { params: { userId: 'nobody' } })],
  },
  readAgentWelcome: {
    succeeds: [
      ok(async (app) => {
        await addAgent(app.services.db, 'guide', { openingMessage: 'Hello', openingQuestions: [] })
        return { params: { agentId: 'guide' } }
      }),
    ],
    refused: [refused(404, { params: { agentId: 'nobody' } })],
  },
}

/** The first call of an operation that succeeds. */
export function exampleOf({ operationId }: Operation): Example {
  const example = examples[operationId]?.succeeds[0]
  if (example === undefined) throw new Error(`no call of ${operationId} is listed`)
  return example
}
