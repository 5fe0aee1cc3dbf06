import { createRoute, z } from '@hono/zod-openapi'
import ms from 'ms'
import { pricesOf } from '../../engine/bounds-of-start.ts'
import { findSample } from '../../engine/ledger/samples.ts'
import { makeSample, type Made } from '../../engine/sample.ts'
import type { Services } from '../../engine/services.ts'
import { conflict, invalid, notFound, type HttpError } from '../../errors.ts'
import type { Workflow } from '../../workflows/contract.ts'
import { askedBy } from '../auth.ts'
import { parse } from '../respond.ts'
import {
  anyJson,
  body,
  createApi,
  idempotencyHeader,
  json,
  problemsOfChange,
  problemsOfOne,
  reason,
  security,
  workflowNamed,
  workflowPath,
} from './api.ts'
import { sampleResource, sampleSchema } from './resources/sample.ts'

const most = 20
const usual = 5

const sampleBody = z
  .strictObject({
    count: z
      .int()
      .min(1)
      .max(most)
      .optional()
      .openapi({ description: `So many items, the first that a batch would work on; ${usual} unless given` }),
    itemIds: z
      .array(z.string().min(1))
      .min(1)
      .max(most)
      .optional()
      .openapi({ description: 'Just these items, instead of `count`' }),
    force: z.boolean().default(false).openapi({ description: 'Also items whose result is fresh' }),
    params: z.record(z.string(), anyJson).default({}).openapi({ description: "The workflow's own" }),
    reason,
  })
  .refine(({ count, itemIds }) => count === undefined || itemIds === undefined, {
    path: ['itemIds'],
    message: 'is given instead of count, not with it',
  })
  .openapi('SampleRequest')

const create = createRoute({
  method: 'post',
  path: '/workflows/{name}/samples',
  operationId: 'createSample',
  summary: 'Really work on a few items, without publishing anything',
  description:
    'Answers when all have ended; an item that fails is part of the answer. With an Idempotency-Key a repeated request gives the same sample, and works only on what an interrupted one left pending. 400 names items that are not eligible, 409 items that need no work.',
  tags: ['samples'],
  security,
  request: { params: workflowPath, headers: idempotencyHeader, ...body(sampleBody) },
  responses: { 200: json(sampleSchema, 'The sample'), ...problemsOfChange },
})

const get = createRoute({
  method: 'get',
  path: '/samples/{id}',
  operationId: 'getSample',
  summary: 'One sample',
  tags: ['samples'],
  security,
  request: { params: z.object({ id: z.uuid('is not a sample id') }) },
  responses: { 200: json(sampleSchema, 'The sample'), ...problemsOfOne },
})

/** @throws HttpError 404 */
async function sampleOf({ db }: Services, id: string) {
  const sample = await findSample(db, id)
  if (sample === undefined) throw notFound(`sample ${id}`)
  return sample
}

export const sampleRoutes = (workflows: readonly Workflow[]) =>
  createApi()
    .openapi(create, async (c) => {
      const workflow = workflowNamed(workflows, c.req.valid('param').name)
      if (workflow.run !== null) {
        throw conflict(`${workflow.name} is durable: what its steps do cannot be tried without doing it`)
      }
      const { count = usual, itemIds, force, ...asked } = c.req.valid('json')
      const key = c.req.valid('header')['idempotency-key'] ?? crypto.randomUUID()
      const { services, actor } = c.var
      const params = parse(workflow.params, asked.params, 'params')
      const made = await makeSample(services, {
        workflow,
        params,
        scope: workflow.scope(params),
        force,
        choice: itemIds === undefined ? { count } : { itemIds: [...new Set(itemIds)] },
        key: `api:${workflow.name}:${key}`,
        by: askedBy(actor, asked),
      })
      if (made.outcome !== 'made') throw problemOf(made, itemIds ?? [])
      return c.json(sampleResource(await sampleOf(services, made.id), pricesOf(services)), 200)
    })
    .openapi(get, async (c) => {
      const { services } = c.var
      const sample = await sampleOf(services, c.req.valid('param').id)
      return c.json(sampleResource(sample, pricesOf(services)), 200)
    })

function problemOf(made: Exclude<Made, { outcome: 'made' }>, itemIds: readonly string[]): HttpError {
  switch (made.outcome) {
    case 'killed':
      return conflict('the kill switch is on', { killSwitch: true })
    case 'stopped':
      return conflict('the kill switch went on: what had not begun was not worked on', {
        killSwitch: true,
        sampleId: made.id,
      })
    case 'key_used':
      return conflict('this Idempotency-Key was used for another sample', { sampleId: made.id })
    case 'unfit': {
      const { notEligible, needNoWork } = made
      if (notEligible.length === 0) {
        return conflict('these items need no work: they have a fresh result, or a batch holds them', {
          itemIds: needNoWork,
        })
      }
      return invalid(
        'the request does not fit',
        notEligible.map((id) => ({
          path: `itemIds.${itemIds.indexOf(id)}`,
          message: `${id} is not eligible`,
        })),
      )
    }
  }
}

/**
 * Checks that a batch of the workflow and scope may publish a sample's results.
 *
 * @throws HttpError 404 when there is no such sample, 409 when it is another's, too old, or of results that do not fit.
 */
export async function checkSample(
  services: Services,
  { workflow, scope }: { workflow: Workflow; scope: string },
  id: string | undefined,
): Promise<void> {
  if (id === undefined) return
  const sample = await sampleOf(services, id)
  if (sample.workflow !== workflow.name) {
    throw conflict(`sample ${id} is of workflow ${sample.workflow}`, { workflow: sample.workflow })
  }
  if (sample.scope !== scope) {
    throw conflict(`sample ${id} was made with params of another scope`, { params: sample.params })
  }
  const unfit = sample.items.find(
    ({ status, output }) => status === 'succeeded' && !workflow.data.safeParse(output).success,
  )
  if (unfit !== undefined) {
    throw conflict(`what sample ${id} made for ${unfit.itemId} does not fit the workflow any more`, {
      itemId: unfit.itemId,
    })
  }
  const { freshFor } = workflow
  if (freshFor !== null && sample.createdAt.getTime() + ms(freshFor) <= Date.now()) {
    throw conflict(`sample ${id} is older than ${freshFor}, for which a result is fresh`, {
      createdAt: sample.createdAt.toISOString(),
    })
  }
}
