import { eq } from 'drizzle-orm'
import { z } from 'zod'
import { batches } from '../../db/schema.ts'
import { PermanentError } from '../../errors.ts'
import type { Json, Params, Workflow } from '../../workflows/contract.ts'
import { beginBatch, failBatch } from '../ledger/begin-batch.ts'
import { pauseBatch } from '../ledger/control.ts'
import { openBatch, recordSkipped, type Batch, type NewBatch } from '../ledger/open-batch.ts'
import { makePlan, type Plan } from '../ledger/plan.ts'
import { layerLog } from '../log.ts'
import type { Services } from '../services.ts'
import { pageRun, triggerRuns } from '../trigger.ts'
import type { Layer } from './layer.ts'

const common = {
  batchId: z.uuid().optional(),
  dryRun: z.boolean().default(false),
  force: z.boolean().default(false),
  limit: z.int().min(1).optional(),
}
const payloadSchema = z.looseObject(common)
type Payload = z.output<typeof payloadSchema>

/** Layer 1: adopts or opens the batch, plans it, and triggers the first page. */
export const processLayer: Layer<Payload> = {
  payload: () => payloadSchema,

  async run(services, workflow, payload, { workflowRunId }) {
    if (payload.batchId !== undefined) return await begin(services, workflow, payload.batchId)
    const { batchId: _, dryRun, force, limit = null, ...rest } = payload
    const params = parseParams(workflow, rest)
    const key = `message:${workflowRunId}`
    if (dryRun) return await dryRunOnly(services, { workflow, params, force, limit }, key)
    return await open(services, { workflow, startKey: key, startedBy: 'message', params, force, limit })
  },

  async failed(services, _workflow, { batchId }, reason) {
    if (batchId === undefined) return
    await failBatch(services.db, batchId, reason)
    const batch = await findBatch(services, batchId)
    // It began, but nobody may have been told to read its first page.
    if (batch?.pages === 0) await pauseBatch(services.db, batchId, reason)
  },
}

function parseParams(workflow: Workflow, params: unknown): Params {
  const parsed = workflow.params.safeParse(params)
  if (parsed.success) return parsed.data
  throw new PermanentError(`the params do not fit: ${z.prettifyError(parsed.error)}`)
}

type Wish = { workflow: Workflow; params: Params; force: boolean; limit: number | null }

async function dryRunOnly({ db }: Services, wish: Wish, key: string) {
  const plan = await makePlan(db, key, { ...wish, scope: wish.workflow.scope(wish.params) })
  return { ...report(plan, 'dry run: nothing was started'), dryRun: true }
}

async function open(services: Services, start: NewBatch) {
  const opened = await openBatch(services.db, start)
  if (opened.outcome !== 'active') return await begin(services, start.workflow, opened.batch.id)
  await recordSkipped(services.db, start)
  return {
    success: true,
    totalEligible: 0,
    toProcess: 0,
    alreadyProcessed: 0,
    message: `skipped: batch ${opened.batch.id} is ${opened.batch.status}`,
  }
}

/** Plans a batch in `starting` and lets it run; a repeated delivery finds it running and triggers page 1 again. */
async function begin(services: Services, workflow: Workflow, batchId: string) {
  const { db } = services
  const batch = await findBatch(services, batchId)
  if (batch === undefined) throw new PermanentError(`batch ${batchId} does not exist`)
  const plan = await makePlan(db, `batch:${batchId}`, { ...batch, workflow })
  const { status, pages, attempt } = (await beginBatch(db, batchId, plan)) ?? batch
  if (status === 'running' && pages === 0) {
    await triggerRuns(services, workflow, [pageRun(batchId, 1, attempt)])
  }
  layerLog(workflow, 'process').info('planned', { batchId, toProcess: plan.toProcess })
  return { ...report(plan, `batch is ${status}`), batchId }
}

async function findBatch({ db }: Services, id: string): Promise<Batch | undefined> {
  const [batch] = await db.select().from(batches).where(eq(batches.id, id))
  return batch
}

const report = (plan: Plan, message: string): Record<string, Json> => ({
  success: true,
  totalEligible: plan.totalEligible,
  toProcess: plan.toProcess,
  alreadyProcessed: plan.alreadyProcessed,
  planId: plan.id,
  message,
})
