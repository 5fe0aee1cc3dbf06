import { z } from 'zod'

const count = z.int()

const planSchema = z.object({ totalEligible: count, alreadyProcessed: count, toProcess: count })
export type Plan = z.output<typeof planSchema>

const batchSchema = z.object({
  id: z.string(),
  status: z.string(),
  reason: z.string().nullable(),
  counts: z.object({
    recorded: count,
    queued: count,
    running: count,
    waiting: count,
    succeeded: count,
    skipped: count,
    failed: count,
    cancelled: count,
  }),
})
export type Batch = z.output<typeof batchSchema>

const itemsSchema = z.object({
  data: z.array(z.object({ id: z.string(), error: z.object({ message: z.string() }).nullable() })),
})
const stepsSchema = z.object({
  steps: z.array(z.object({ name: z.string(), kind: z.string(), status: z.string() })),
})
const failuresSchema = z.object({ data: z.array(z.object({ error: z.object({ name: z.string() }), count })) })
const approvalsSchema = z.object({ data: z.array(z.object({ id: z.string(), subject: z.string() })) })
const errorSchema = z.object({ error: z.object({ message: z.string() }) })

const batches = (workflow: string) => `/api/admin/workflows/${workflow}/batches`

/** What the demo asks of the Worker, each answer parsed. */
export type Api = ReturnType<typeof createApi>

/** A client of the Worker's HTTP API; a refused request is an error with what the Worker said. */
export function createApi(options: { url: string; token: string; signal: AbortSignal }) {
  const call = async <Schema extends z.ZodType>(schema: Schema, path: string, init: RequestInit = {}) => {
    const { method = 'GET' } = init
    const response = await fetch(options.url + path, {
      ...init,
      signal: AbortSignal.any([options.signal, AbortSignal.timeout(30_000)]),
    })
    const answer: unknown = await response.json().catch(() => null)
    if (response.ok) return schema.parse(answer)
    const said = errorSchema.safeParse(answer).data?.error.message ?? 'no reason given'
    throw new Error(`${method} ${path} answered ${response.status}: ${said}`)
  }
  const headers = { authorization: `Bearer ${options.token}` }
  const post = (body: unknown) => ({ method: 'POST', headers, body: JSON.stringify(body) })
  return {
    plan: (workflow: string) => call(planSchema, batches(workflow), post({ dryRun: true })),
    start: (workflow: string) => call(batchSchema, batches(workflow), post({})),
    batch: (id: string) => call(batchSchema, `/api/admin/batches/${id}`, { headers }),
    items: (id: string, status: 'succeeded' | 'failed', limit: number) =>
      call(itemsSchema, `/api/admin/batches/${id}/items?status=${status}&limit=${limit}`, { headers }),
    steps: (batchId: string, itemId: string) =>
      call(stepsSchema, `/api/admin/batches/${batchId}/items/${encodeURIComponent(itemId)}`, { headers }),
    failures: (batchId: string) =>
      call(failuresSchema, `/api/admin/batches/${batchId}/failures`, { headers }),
    approvals: () => call(approvalsSchema, '/api/admin/approvals?status=pending', { headers }),
    decide: (id: string, decision: 'approved' | 'rejected') =>
      call(z.unknown(), `/api/admin/approvals/${id}`, post({ decision, reason: 'as the demo says' })),
    /** For everyone: goes without the token. */
    read: <Schema extends z.ZodType>(schema: Schema, path: string) => call(schema, path),
  }
}
