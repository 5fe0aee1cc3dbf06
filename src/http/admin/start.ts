import { createRoute, z } from '@hono/zod-openapi'
import { boundsOf } from '../../engine/bounds-of-start.ts'
import { findBatch } from '../../engine/ledger/read-batches.ts'
import { findPlan, type StoredPlan } from '../../engine/ledger/read-plans.ts'
import { planBatch, type Wish } from '../../engine/plan-batch.ts'
import type { Services } from '../../engine/services.ts'
import { startBatch } from '../../engine/start.ts'
import { conflict, invalid, notFound } from '../../errors.ts'
import type { Workflow } from '../../workflows/contract.ts'
import { parse } from '../respond.ts'
import {
  body,
  createApi,
  idempotencyHeader,
  json,
  problemsOfChange,
  security,
  workflowNamed,
  workflowPath,
} from './api.ts'
import { batchResource, batchSchema } from './resources/batch.ts'
import { planResource, planSchema } from './resources/plan.ts'
import { startBody, type StartBody } from './start-request.ts'

const start = createRoute({
  method: 'post',
  path: '/workflows/{name}/batches',
  summary: 'Start a batch, or plan one',
  description: '409 names the active batch, the drift from the plan, or says that the kill switch is on.',
  tags: ['batches'],
  security,
  request: { params: workflowPath, headers: idempotencyHeader, ...body(startBody) },
  responses: {
    200: json(
      z.union([planSchema.extend({ planId: z.uuid(), dryRun: z.literal(true) }), batchSchema]),
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

    if (asked.dryRun) {
      const { id } = await planBatch(services, `dry-run:${startKey}`, wish)
      const made = await findPlan(services.db, id)
      if (made === undefined) throw notFound(`plan ${id}`)
      return c.json({ ...planResource(made), planId: id, dryRun: true as const }, 200)
    }

    if (plan !== null) await refuseDrift(services, plan, wish, asked.maxDriftPercent ?? 0)
    const { reason, ...options } = asked
    const started = await startBatch(services, {
      workflow,
      startKey,
      startedBy: 'api',
      by: { actor: actor.name, reason: reason ?? null },
      ...selection,
      bounds,
      startPlanId: plan?.id ?? null,
      sampleId: asked.sampleId ?? null,
      options: z.json().parse(JSON.parse(JSON.stringify(options))),
    })
    if (started.outcome === 'killed') {
      throw conflict('the kill switch is on', { killSwitch: true })
    }
    const { outcome, batch } = started
    if (outcome === 'active') {
      throw conflict(`batch ${batch.id} of ${workflow.name} is ${batch.status}`, { activeBatchId: batch.id })
    }
    if (outcome === 'found' && !started.sameOptions) {
      throw conflict('this Idempotency-Key was used for a start with other options', { batchId: batch.id })
    }
    const found = await findBatch(services.db, batch.id)
    if (found === undefined) throw notFound(`batch ${batch.id}`)
    return outcome === 'opened' ? c.json(batchResource(found), 201) : c.json(batchResource(found), 200)
  })

/** What the start is about: the plan's own options when it names one. */
async function selectionOf({ db }: Services, workflow: Workflow, asked: StartBody) {
  const { planId, params, force, limit } = asked
  if (planId === undefined) return { plan: null, params: parse(workflow.params, params), force, limit }
  if (asked.dryRun || force || limit !== null || Object.keys(params).length > 0) {
    throw invalid('a start by planId takes params, force and limit from the plan, and is no dry run')
  }
  const plan = await findPlan(db, planId)
  if (plan?.workflow !== workflow.name) throw notFound(`plan ${planId} of ${workflow.name}`)
  return { plan, params: parse(workflow.params, plan.params), force: plan.force, limit: plan.limit }
}

/** @throws HttpError 409 with both counts when what there is to do differs by more than that from the plan. */
async function refuseDrift(services: Services, plan: StoredPlan, wish: Wish, maxDriftPercent: number) {
  const now = await planBatch(services, `drift:${crypto.randomUUID()}`, wish)
  if (now.hash === plan.hash) return
  const planned = plan.toProcess
  const driftPercent = (Math.abs(now.toProcess - planned) / Math.max(1, planned)) * 100
  if (driftPercent <= maxDriftPercent && maxDriftPercent > 0) return
  throw conflict('what there is to process has drifted from the plan; nothing was started', {
    planId: plan.id,
    planned,
    now: now.toProcess,
    driftPercent,
    maxDriftPercent,
  })
}
