import { WorkflowRetryAfterError } from '@upstash/workflow'
import { z } from 'zod'
import { PermanentError } from '../../errors.ts'
import type { Json, Params, Workflow } from '../../workflows/contract.ts'
import { beginBatch, failBatch } from '../ledger/begin-batch.ts'
import { livePredecessor } from '../ledger/live-predecessor.ts'
import { rounds } from '../ledger/changes.ts'
import { pauseBatch } from '../ledger/pause-batch.ts'
import type { Plan } from '../ledger/plan.ts'
import { planBatch } from '../plan-batch.ts'
import { findBatch, type BatchWithPlan } from '../ledger/read-batches.ts'
import { layerLog } from '../log.ts'
import type { Services } from '../services.ts'
import { boundsOf } from '../bounds-of-start.ts'
import { paceOf, pinPace } from '../pace.ts'
import { limitSchema, startOrRecord, startQueued } from '../start.ts'
import { pageRun, triggerRuns } from '../trigger.ts'
import type { Layer } from './layer.ts'

const adopting = z.strictObject({ batchId: z.uuid() })
const starting = z.looseObject({
  batchId: z.undefined().optional(),
  dryRun: z.boolean().default(false),
  force: z.boolean().default(false),
  limit: limitSchema.optional(),
})
type Payload = z.output<typeof adopting> | z.output<typeof starting>

/** Layer 1: plans a batch and triggers its first page. Without one, a plain message starts it or asks for its plan. */
export const processLayer: Layer<Payload> = {
  payload: () => z.union([adopting, starting]),

  async run(services, workflow, payload, { workflowRunId }) {
    if (payload.batchId !== undefined) return await begin(services, workflow, payload.batchId)
    const { batchId: _, dryRun, force, limit = null, ...rest } = payload
    const params = parseParams(workflow, rest)
    const key = `message:${workflowRunId}`
    if (dryRun) return await planOnly(services, { workflow, params, force, limit }, key)
    return await start(services, { workflow, params, force, limit }, key)
  },

  async failed(services, workflow, { batchId }, { reason }) {
    const { db } = services
    await failBatch(db, batchId, reason)
    const batch = await findBatch(db, batchId)
    // It began, but nobody may have been told to read its first page.
    if (batch?.pages === 0) await pauseBatch(db, batchId, 'lost_run', { ...rounds, reason })
    if (batch?.status === 'failed') await startQueued(services, workflow)
  },
}

function parseParams(workflow: Workflow, params: unknown): Params {
  const parsed = workflow.params.safeParse(params)
  if (parsed.success) return parsed.data
  throw new PermanentError(`the params do not fit: ${z.prettifyError(parsed.error)}`)
}

type Wish = { workflow: Workflow; params: Params; force: boolean; limit: number | null }

async function planOnly(services: Services, wish: Wish, key: string) {
  const { workflow, params } = wish
  const plan = await planBatch(services, key, {
    ...wish,
    scope: workflow.scope(params),
    ...boundsOf(services, workflow, {}),
  })
  return { ...report(plan, 'dry run: nothing was started'), dryRun: true }
}

/** Opens a batch and leaves it to a run of its own, which QStash retries, paces and reports as the message's is not. */
async function start(services: Services, wish: Wish, startKey: string) {
  const { workflow, params, force, limit } = wish
  const started = await startOrRecord(services, {
    ...wish,
    startKey,
    startedBy: 'message',
    by: rounds,
    bounds: boundsOf(services, workflow, {}),
    startPlanId: null,
    sampleId: null,
    options: { params: z.json().parse(params), force, limit },
  })
  if (started === null) return report(null, 'skipped: the kill switch is on, or something is not configured')
  const { outcome, batch } = started
  if (outcome === 'active' || batch.status === 'skipped')
    return report(null, 'skipped: another batch is active')
  const plan = await planBatch(services, startKey, { ...batch, workflow })
  return { ...report(plan, `started batch ${batch.id}`), batchId: batch.id }
}

/** Plans a batch in `starting` and lets it run; a repeated delivery finds it running and triggers page 1 again. */
async function begin(services: Services, workflow: Workflow, batchId: string) {
  const { db } = services
  const found = await batchOf(services, workflow, batchId)
  if (found.status === 'starting') {
    await waitForPredecessor(services, workflow, batchId)
    await pinPace(services, workflow, paceOf(found))
    await beginBatch(db, batchId, await planBatch(services, `batch:${batchId}`, { ...found, workflow }))
  }
  const { status, pages, attempt, plan } = await batchOf(services, workflow, batchId)
  if (status === 'running' && pages === 0) {
    await triggerRuns(services, workflow, [pageRun(batchId, 1, attempt)])
  }
  if (status === 'completed') await startQueued(services, workflow)
  layerLog(workflow, 'process').info('planned', { batchId, status, toProcess: plan?.toProcess })
  return { ...report(plan, `batch is ${status}`), batchId }
}

/** @throws PermanentError when the workflow has no such batch. */
async function batchOf({ db }: Services, workflow: Workflow, batchId: string): Promise<BatchWithPlan> {
  const batch = await findBatch(db, batchId)
  if (batch?.workflow !== workflow.name) throw new PermanentError(`${workflow.name} has no batch ${batchId}`)
  return batch
}

/** @throws WorkflowRetryAfterError while items that a cancelled batch had started may still be at work. */
async function waitForPredecessor({ db }: Services, workflow: Workflow, batchId: string): Promise<void> {
  const seconds = await livePredecessor(db, workflow.name, batchId)
  if (seconds === null) return
  throw new WorkflowRetryAfterError('an earlier batch has items at work', Math.max(1, Math.ceil(seconds)))
}

type Counts = Pick<Plan, 'id' | 'totalEligible' | 'toProcess' | 'alreadyProcessed'>

const report = (plan: Counts | null, message: string): Record<string, Json> => ({
  success: true,
  totalEligible: plan?.totalEligible ?? 0,
  toProcess: plan?.toProcess ?? 0,
  alreadyProcessed: plan?.alreadyProcessed ?? 0,
  planId: plan?.id ?? null,
  message,
})
