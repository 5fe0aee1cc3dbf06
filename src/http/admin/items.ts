import { createRoute, z } from '@hono/zod-openapi'
import { countDoneBefore } from '../../engine/ledger/count-again.ts'
import { batchesLookedInto, findItem, readItem, type Item } from '../../engine/ledger/read-items.ts'
import type { ItemStarted } from '../../engine/ledger/start-item.ts'
import { notConfigured, type Unconfigured } from '../../engine/configured.ts'
import { startItem } from '../../engine/start-item.ts'
import { isMalformedText } from '../../db/client.ts'
import { conflict, notFound, type HttpError } from '../../errors.ts'
import type { Workflow } from '../../workflows/contract.ts'
import { askedBy } from '../auth.ts'
import { parse } from '../respond.ts'
import {
  anyJson,
  body,
  confirm,
  confirmed,
  createApi,
  idempotencyHeader,
  itemId,
  json,
  problemsOfChange,
  problemsOfOne,
  reason,
  security,
  workflowNamed,
} from './api.ts'
import { batchOf } from './batches.ts'
import { itemResource, itemSchema } from './resources/item.ts'
import { itemWithSteps, itemWithStepsSchema } from './resources/step.ts'

const itemBody = z
  .strictObject({
    params: z.record(z.string(), anyJson).default({}).openapi({ description: "The workflow's own" }),
    force: z.boolean().default(false).openapi({ description: 'Also when its result is fresh' }),
    confirm,
    reason,
  })
  .openapi('ItemStart')

const foundItemSchema = itemSchema.extend({ batchId: z.uuid() }).openapi('FoundItem')

const foundItem = (item: Item): z.output<typeof foundItemSchema> => ({
  batchId: item.batchId,
  ...itemResource(item),
})

const startedSchema = z
  .object({ batchId: z.uuid(), itemId: z.string(), outcome: z.enum(['opened', 'joined', 'repeated']) })
  .openapi('StartedItem')

const start = createRoute({
  method: 'post',
  path: '/workflows/{name}/items/{itemId}',
  operationId: 'startItem',
  summary: 'Start one item',
  description:
    'It joins the active batch when that has the same params, else it gets a batch of its own. 404 when the population does not have it, 409 when a batch holds it, when it has a fresh result, or when the active batch cannot take it.',
  tags: ['items'],
  security,
  request: { params: z.object({ name: z.string(), itemId }), headers: idempotencyHeader, ...body(itemBody) },
  responses: {
    200: json(startedSchema, 'What the same Idempotency-Key started before'),
    201: json(startedSchema, 'It is started'),
    ...problemsOfChange,
  },
})

const get = createRoute({
  method: 'get',
  path: '/batches/{id}/items/{itemId}',
  operationId: 'getItem',
  summary: 'One item of a batch, with the steps of a durable one',
  tags: ['items'],
  security,
  request: { params: z.object({ id: z.uuid('is not a batch id'), itemId }) },
  responses: { 200: json(itemWithStepsSchema, 'The item'), ...problemsOfOne },
})

const find = createRoute({
  method: 'get',
  path: '/workflows/{name}/items/{itemId}',
  operationId: 'findItem',
  summary: 'What has become of one item, in the latest batches that have it',
  description: `The latest first, at most 20; the last ${batchesLookedInto} batches of the workflow are looked into.`,
  tags: ['items'],
  security,
  request: { params: z.object({ name: z.string(), itemId }) },
  responses: {
    200: json(z.object({ data: z.array(foundItemSchema) }), 'The item, once for each batch'),
    ...problemsOfOne,
  },
})

const mostFound = 20

export const itemRoutes = (workflows: readonly Workflow[]) =>
  createApi()
    .openapi(start, async (c) => {
      const { name, itemId: id } = c.req.valid('param')
      const workflow = workflowNamed(workflows, name)
      const { force, confirm: isConfirmed, reason: why, ...asked } = c.req.valid('json')
      const params = parse(workflow.params, asked.params, 'params')
      const wish = { workflow, params, scope: workflow.scope(params), force }
      if (force) await confirmed(workflow, isConfirmed, () => countDoneBefore(c.var.services.db, wish, id))
      const header = c.req.valid('header')['idempotency-key'] ?? crypto.randomUUID()
      const by = { ...askedBy(c.var.actor, { reason: why }), key: `item:${name}:${header}` }
      const started = await startItem(c.var.services, id, wish, by).catch((error: unknown) => {
        // Not even of the type that the population's ids have.
        if (isMalformedText(error)) return { outcome: 'unknown' as const }
        throw error
      })
      if (started.outcome === 'repeated') return c.json({ ...started, itemId: id }, 200)
      if (started.outcome === 'opened' || started.outcome === 'joined')
        return c.json({ ...started, itemId: id }, 201)
      throw refusal(started, name, id)
    })
    .openapi(find, async (c) => {
      const { name, itemId: id } = c.req.valid('param')
      const workflow = workflowNamed(workflows, name)
      const rows = await findItem(c.var.services.db, workflow.name, id, mostFound)
      return c.json({ data: rows.map(foundItem) }, 200)
    })
    .openapi(get, async (c) => {
      const { id, itemId: item } = c.req.valid('param')
      const { services } = c.var
      const batch = await batchOf(services, id)
      const found = await readItem(services.db, batch.id, item)
      if (found === undefined) throw notFound(`item ${item} of batch ${id}`)
      return c.json(itemWithSteps(found), 200)
    })

type Refused = Exclude<ItemStarted | Unconfigured, { outcome: 'opened' | 'joined' | 'repeated' }>

function refusal(started: Refused, workflow: string, id: string): HttpError {
  switch (started.outcome) {
    case 'held':
      return conflict(`batch ${started.batchId} holds item ${id}`, { batchId: started.batchId })
    case 'listed':
      return conflict(`batch ${started.batchId} has had item ${id}: retry it there, or wait for its end`, {
        batchId: started.batchId,
      })
    case 'busy':
      return conflict(`batch ${started.batchId} is starting, or has other params`, {
        activeBatchId: started.batchId,
      })
    case 'full':
      return conflict(`batch ${started.batchId} has no room for another item`, {
        activeBatchId: started.batchId,
      })
    case 'acted':
      return conflict(
        `item ${id} has sent or charged something in a batch in which it did not succeed: retry it there if it failed (not if that batch was cancelled), or use force, which does all of it again`,
        {
          itemId: id,
        },
      )
    case 'done':
      return conflict(`item ${id} has a fresh result; with force it is done again`, { itemId: id })
    case 'unconfigured':
      return conflict(notConfigured(started.missing), { variables: started.missing })
    case 'killed':
      return conflict('the kill switch is on', { killSwitch: true })
    case 'key_used':
      return conflict('this Idempotency-Key was used for another item', {
        batchId: started.batchId,
        itemId: started.itemId,
      })
    case 'unknown':
      return notFound(`item ${id} in the population of ${workflow} (there is none, or it is not eligible)`)
  }
}
