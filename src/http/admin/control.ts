import { createRoute } from '@hono/zod-openapi'
import { checkBudget, pricesOf } from '../../engine/bounds-of-start.ts'
import { cancel } from '../../engine/cancel.ts'
import { changeLimits } from '../../engine/ledger/change-limits.ts'
import type { By } from '../../engine/ledger/changes.ts'
import { pauseBatch } from '../../engine/ledger/pause-batch.ts'
import { findBatch, type BatchWithPlan } from '../../engine/ledger/read-batches.ts'
import { paceOf, pinPace } from '../../engine/pace.ts'
import { goOn, resume } from '../../engine/resume.ts'
import type { Services } from '../../engine/services.ts'
import { conflict } from '../../errors.ts'
import type { Workflow } from '../../workflows/contract.ts'
import {
  batchPath,
  body,
  createApi,
  idempotencyHeader,
  json,
  problemsOfChange,
  reasonBody,
  security,
} from './api.ts'
import { askedBy } from '../auth.ts'
import { batchOf } from './batches.ts'
import { batchResource, batchSchema } from './resources/batch.ts'
import { limitsBody } from './start-request.ts'

const action = <Name extends string>(name: Name, summary: string) =>
  createRoute({
    method: 'post',
    path: `/batches/{id}/${name}`,
    operationId: `${name}Batch`,
    summary,
    description: 'Answers 200 also when it was so already, 409 when its status does not allow it.',
    tags: ['batches'],
    security,
    request: { params: batchPath, ...body(reasonBody) },
    responses: { 200: json(batchSchema, 'The batch'), ...problemsOfChange },
  })

const pauseRoute = action('pause', 'Pause: what has started finishes, nothing else starts')
const resumeRoute = createRoute({
  ...action('resume', 'Go on, or mend: whatever is left gets a new run'),
  request: { params: batchPath, headers: idempotencyHeader, ...body(reasonBody) },
})
const cancelRoute = action('cancel', 'End it: what has started finishes, all else is cancelled')

const limitsRoute = createRoute({
  method: 'patch',
  path: '/batches/{id}',
  operationId: 'changeLimits',
  summary: 'Change the limits of a batch that has not ended',
  description: 'A batch that its budget paused goes on when the new one has room.',
  tags: ['batches'],
  security,
  request: { params: batchPath, ...body(limitsBody) },
  responses: { 200: json(batchSchema, 'The batch'), ...problemsOfChange },
})

export const controlRoutes = (workflows: readonly Workflow[]) =>
  createApi()
    .openapi(pauseRoute, async (c) => {
      const { services } = c.var
      const batch = await batchOf(services, c.req.valid('param').id)
      const by = askedBy(c.var.actor, c.req.valid('json'))
      const paused = await pauseBatch(services.db, batch.id, 'operator', by)
      return c.json(batchResource(await after(services, batch, paused, 'paused')), 200)
    })
    .openapi(resumeRoute, async (c) => {
      const { services } = c.var
      const batch = await batchOf(services, c.req.valid('param').id)
      const key = c.req.valid('header')['idempotency-key']
      const once = key === undefined ? undefined : `resume:${batch.id}:${key}`
      const by = askedBy(c.var.actor, c.req.valid('json'), once)
      const resumed = await resumeOf(services, workflows, batch, by)
      return c.json(batchResource(await after(services, batch, resumed, 'running')), 200)
    })
    .openapi(cancelRoute, async (c) => {
      const { services } = c.var
      const batch = await batchOf(services, c.req.valid('param').id)
      const by = askedBy(c.var.actor, c.req.valid('json'))
      const workflow = workflows.find(({ name }) => name === batch.workflow)
      const cancelled = await cancel(services, workflow, batch.id, by)
      return c.json(batchResource(await after(services, batch, cancelled, 'cancelled')), 200)
    })
    .openapi(limitsRoute, async (c) => {
      const { services } = c.var
      const batch = await batchOf(services, c.req.valid('param').id)
      const { reason, ...limits } = c.req.valid('json')
      checkBudget(services, limits.budget)
      const workflow = deployed(workflows, batch)
      const by = askedBy(c.var.actor, { reason })
      const changed = await changeLimits(
        services.db,
        batch.id,
        workflow.pageSize,
        limits,
        pricesOf(services),
        by,
      )
      const now = await after(services, batch, changed !== undefined, null)
      if (changed?.resumes === true)
        await resume(services, workflow, batch.id, by, { onlyPausedBy: 'budget' })
      else await goOn(services, workflow, batch.id, changed?.nextPage ?? null)
      // One that waits for another to end has no say in the pace yet.
      const paces = limits.parallelism !== undefined || limits.rate !== undefined
      if (paces && now.status !== 'queued') {
        await pinPace(services, workflow, paceOf(now))
      }
      return c.json(batchResource(await batchOf(services, batch.id)), 200)
    })

/** @throws HttpError 409 */
export function deployed(workflows: readonly Workflow[], batch: BatchWithPlan): Workflow {
  const workflow = workflows.find(({ name }) => name === batch.workflow)
  if (workflow === undefined) throw conflict(`workflow ${batch.workflow} is not part of this deployment`)
  return workflow
}

async function resumeOf(
  services: Services,
  workflows: readonly Workflow[],
  batch: BatchWithPlan,
  by: By,
): Promise<boolean> {
  const outcome = await resume(services, deployed(workflows, batch), batch.id, by)
  if (outcome === 'killed') throw conflict('the kill switch is on', { killSwitch: true })
  if (outcome === 'over_budget') {
    throw conflict('the budget has no room for another item: raise it', { budget: batch.budget })
  }
  return outcome === 'resumed' || outcome === 'repeated'
}

/** The batch as it is by now. @throws HttpError 409 when nothing was done and it is not as it should be. */
async function after(
  { db }: Services,
  before: BatchWithPlan,
  done: boolean,
  target: BatchWithPlan['status'] | null,
): Promise<BatchWithPlan> {
  const now = (await findBatch(db, before.id)) ?? before
  // What is complete is paused without a change of its status.
  const isSo = now.status === target || (target === 'paused' && now.pausedBy !== null)
  if (!done && !isSo) {
    throw conflict(`a batch that is ${now.status} does not allow it`, { status: now.status })
  }
  return now
}
