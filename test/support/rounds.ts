import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test'
import { z } from 'zod'
import * as schema from '../../src/db/schema.ts'
import { servicesOf } from '../../src/engine/services.ts'
import { createApp } from '../../src/http/app.ts'
import type { Workflow } from '../../src/workflows/contract.ts'
import { registry } from '../../src/workflows/registry.ts'
import { qstash, takeDeliveries, type DeliveryOptions } from './deliveries.ts'
import { lane } from './lane.ts'

/** Answers every request with an error. */
export const qstashThatIsDown = `${lane.services.model}/down`

const count = z.number()
export const batchSchema = z.object({
  id: z.string(),
  workflow: z.string(),
  status: z.string(),
  reason: z.string().nullable(),
  pausedBy: z.string().nullable(),
  throttledRate: count.nullable(),
  spent: z.object({ inputTokens: count, outputTokens: count, usd: count.nullable() }),
  pages: count,
  counts: z.object({
    recorded: count,
    queued: count,
    running: count,
    waiting: count,
    succeeded: count,
    skipped: count,
    failed: count,
    cancelled: count,
    retrying: count,
  }),
  plan: z.object({ totalEligible: count, alreadyProcessed: count, held: count, toProcess: count }).nullable(),
})

/** Tests are refused more often than one address may be in a minute. */
const patient = { limit: () => Promise.resolve({ success: true }) }

/** One deployment of Rounds inside the test's own isolate. */
export function rounds(
  workflows: readonly Workflow[] = registry,
  overrides: Record<string, string | undefined> = {},
) {
  const bindings: Record<string, unknown> & { ADMIN_TOKEN: string } = {
    ADMIN_TOKEN: '',
    REFUSED_TOKENS: patient,
    ...lane.bindings,
    ...overrides,
  }
  const app = createApp(workflows, servicesOf)

  const worker = async (request: Request): Promise<Response> => {
    const ctx = createExecutionContext()
    const response = await app.fetch(request, bindings, ctx)
    await waitOnExecutionContext(ctx)
    return response
  }

  const call = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const response = await worker(
      new Request(`https://rounds.test${path}`, {
        method,
        headers: { authorization: `Bearer ${bindings.ADMIN_TOKEN}`, ...headers },
        body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
      }),
    )
    return { status: response.status, body: await response.json() }
  }

  const batch = async (id: string) => batchSchema.parse((await call('GET', `/api/admin/batches/${id}`)).body)

  return {
    services: servicesOf(bindings),
    worker,
    call,
    batch,
    /** Starts a batch; the test fails when it is refused. */
    start: async (workflow: string, body: unknown = {}) => {
      const answer = await call('POST', `/api/admin/workflows/${workflow}/batches`, body)
      return batchSchema.parse(answer.body)
    },
    /** Delivers what the local QStash has, until nothing is pending. */
    deliver: (options: DeliveryOptions = {}) => takeDeliveries(worker, options),
  }
}

const reset = async (url: string) => {
  const response = await fetch(`${url}/local/reset`, { method: 'POST' })
  if (!response.ok) throw new Error(`${url}/local/reset answered ${response.status}`)
}

/** Empties the database, the cache, and every local service's memory. */
export async function resetEverything(): Promise<void> {
  const { db } = servicesOf(lane.bindings)
  const services = lane.services
  await Promise.all([
    reset(services.neon),
    reset(services.redis),
    reset(services.model),
    reset(services.mail),
    reset(services.payments),
    qstash('/local/reset'),
  ])
  // Not truncated: that would have every statement planned anew.
  await db.batch([
    db.delete(schema.batches),
    db.delete(schema.plans),
    db.delete(schema.samples),
    db.delete(schema.results),
    db.delete(schema.changes),
    db.delete(schema.tokens),
    db.delete(schema.killSwitches),
    db.delete(schema.approvals),
    db.delete(schema.users),
  ])
}

/** Calls a local service's test hook. */
export async function local(
  service: 'neon' | 'redis' | 'model' | 'mail' | 'payments',
  path: string,
  body?: unknown,
): Promise<unknown> {
  const response = await fetch(`${lane.services[service]}/local/${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return await response.json()
}
