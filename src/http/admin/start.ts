import { createRoute, z } from '@hono/zod-openapi'
import { boundsOf } from '../../engine/bounds-of-start.ts'
import { notConfigured } from '../../engine/configured.ts'
import { countDoneBefore } from '../../engine/ledger/count-again.ts'
import { findStarted, type Batch } from '../../engine/ledger/open-batch.ts'
import { findPlan, type StoredPlan } from '../../engine/ledger/read-plans.ts'
import { planBatch, type Wish } from '../../engine/plan-batch.ts'
import type { Services } from '../../engine/services.ts'
import { startBatch, type Started } from '../../engine/start.ts'
import { conflict, invalid, notFound } from '../../errors.ts'
import type { Workflow } from '../../workflows/contract.ts'
import { askedBy } from '../auth.ts'
import { parse } from '../respond.ts'
import {
  body,
  confirmed,
  createApi,
  idempotencyHeader,
  json,
  problemsOfChange,
  security,
  workflowNamed,
  workflowPath,
} from './api.ts'
import { batchOf } from './batches.ts'
import { batchResource, batchSchema } from './resources/batch.ts'
import { planResource, planSchema } from './resources/plan.ts'
import { checkSample } from './samples.ts'
import { startBody, type StartBody } from './start-request.ts'

const dryRunSchema = planSchema.extend({ planId: z.uuid(), dryRun: z.literal(true) }).openapi('DryRun')

const start = createRoute({
  method: 'post',
  path: '/workflows/{name}/batches',
  operationId: 'startBatch',
  summary: 'Start a batch, or plan one',
  description: '409 names the active batch, the drift from the plan, or says that the kill switch is on.',
  tags: ['batches'],
  security,
  request: { params: workflowPath, headers: idempotencyHeader, ...body(startBody) },
  responses: {
    200: json(
      z.union([dryRunSchema, batchSchema]),
      'The plan of a dry run; or the batch that the same Idempotency-Key started before',
    ),
    201: json(batchSchema, 'The new batch'),
    ...problemsOfChange,
  },
})

export const startRoutes = (workflows: readonly Workflow[]) =>
  createApi().openapi(start, async (c) => {
    const workflow = workflowNamed(workflows, c.req.valid('param').name)
    const asked = c.req.valid('json')
    const { services, actor } = c.var
    const key = c.req.valid('header')['idempotency-key'] ?? crypto.randomUUID()
    const startKey = `api:${workflow.name}:${key}`
    const bounds = boundsOf(services, workflow, asked)
    const { plan, ...selection } = await selectionOf(services, workflow, asked)
    const wish = { workflow, ...selection, scope: workflow.scope(selection.params), ...bounds }
    await checkSample(services, wish, asked.sampleId)

    if (asked.dryRun) return c.json(await dryRun(services, `dry-run:${startKey}`, wish), 200)
    if (wish.force) await confirmed(workflow, asked.confirm, () => countDoneBefore(services.db, wish))

    const options = z
      .json()
      .parse(JSON.parse(JSON.stringify({ ...asked, confirm: undefined, reason: undefined })))
    // What a repeated start finds has drifted by what the first one did.
    if (plan !== null && (await findStarted(services.db, { startKey, options })) === undefined) {
      await refuseDrift(services, plan, wish, asked.maxDriftPercent ?? 0)
    }
    const started = await startBatch(services, {
      workflow,
      startKey,
      startedBy: 'api',
      by: askedBy(actor, asked),
      ...selection,
      bounds,
      startPlanId: plan?.id ?? null,
      sampleId: asked.sampleId ?? null,
      options,
    })
    const batch = batchResource(await batchOf(services, startedOrRefused(started).id))
    return started.outcome === 'opened' ? c.json(batch, 201) : c.json(batch, 200)
  })

/** @throws HttpError 409 when the key was used to plan something else. */
async function dryRun(services: Services, key: string, wish: Wish) {
  const { id, sameOptions } = await planBatch(services, key, wish)
  const plan = await findPlan(services.db, id)
  if (plan === undefined) throw notFound(`plan ${id}`)
  if (!sameOptions) {
    throw conflict('this Idempotency-Key was used to plan something else', { planId: id })
  }
  return { ...planResource(plan), planId: id, dryRun: true as const }
}

/** @throws HttpError 409 when nothing was started. */
function startedOrRefused(started: Started): Batch {
  if (started.outcome === 'unconfigured') {
    throw conflict(notConfigured(started.missing), { variables: started.missing })
  }
  if (started.outcome === 'killed') throw conflict('the kill switch is on', { killSwitch: true })
  const { outcome, batch } = started
  if (outcome === 'active') {
    throw conflict(`batch ${batch.id} of ${batch.workflow} is ${batch.status}`, { activeBatchId: batch.id })
  }
  if (outcome === 'found' && !started.sameOptions) {
    throw conflict('this Idempotency-Key was used for a start with other options', { batchId: batch.id })
  }
  return batch
}

/** What the start is about: the plan's own options when it names one. */
async function selectionOf({ db }: Services, workflow: Workflow, asked: StartBody) {
  const { planId, params, force, limit } = asked
  if (planId === undefined)
    return { plan: null, params: parse(workflow.params, params, 'params'), force, limit }
  if (asked.dryRun || force || limit !== null || Object.keys(params).length > 0) {
    throw invalid('a start by planId takes params, force and limit from the plan, and is no dry run')
  }
  const plan = await findPlan(db, planId)
  if (plan?.workflow !== workflow.name) throw notFound(`plan ${planId} of ${workflow.name}`)
  return {
    plan,
    params: parse(workflow.params, plan.params, 'planId.params'),
    force: plan.force,
    limit: plan.limit,
  }
}

/** @throws HttpError 409 with both counts when what there is to do differs by more than that from the plan. */
async function refuseDrift(services: Services, plan: StoredPlan, wish: Wish, maxDriftPercent: number) {
  const now = await planBatch(services, `drift:${crypto.randomUUID()}`, wish)
  if (now.hash === plan.hash) return
  // Above a limit as well: it would hide any drift.
  const needing = ({ totalEligible, alreadyProcessed, held }: Omit<StoredPlan, 'id' | 'hash'> | typeof now) =>
    totalEligible - held - (plan.force ? 0 : alreadyProcessed)
  const planned = needing(plan)
  const driftPercent = (Math.abs(needing(now) - planned) / Math.max(1, planned)) * 100
  if (driftPercent <= maxDriftPercent && maxDriftPercent > 0) return
  throw conflict('what there is to process has drifted from the plan; nothing was started', {
    planId: plan.id,
    planned,
    now: needing(now),
    driftPercent,
    maxDriftPercent,
  })
}
