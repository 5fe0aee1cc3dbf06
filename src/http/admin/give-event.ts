import { createRoute, z } from '@hono/zod-openapi'
import { giveEventTo } from '../../engine/durable/events.ts'
import { conflict, notFound } from '../../errors.ts'
import type { Workflow } from '../../workflows/contract.ts'
import { stepName } from '../../workflows/step-name.ts'
import { askedBy } from '../auth.ts'
import { parse } from '../respond.ts'
import {
  anyJson,
  body,
  createApi,
  itemId,
  json,
  problemsOfChange,
  reason,
  security,
  workflowNamed,
} from './api.ts'

const givenSchema = z
  .object({
    workflow: z.string(),
    itemId: z.string(),
    event: z.string(),
    items: z
      .array(z.object({ batchId: z.uuid(), waiting: z.boolean() }))
      .openapi({ description: 'The batches whose item has got it, and whether that waited for it' }),
  })
  .openapi('GivenEvent')

const give = createRoute({
  method: 'post',
  path: '/workflows/{name}/items/{itemId}/events/{event}',
  operationId: 'giveEvent',
  summary: 'Give an event to an item that waits for it, or will',
  description:
    'The first one counts, 409: another one came first, or its wait is over. Data that the workflow does not expect is refused where its definition declares the event, else it fails the item. 404 when no batch has the item unfinished.',
  tags: ['items'],
  security,
  request: {
    params: z.object({ name: z.string(), itemId, event: stepName }),
    ...body(z.strictObject({ data: anyJson, reason }).openapi('Event')),
  },
  responses: { 200: json(givenSchema, 'It is given'), ...problemsOfChange },
})

export const giveEventRoutes = (workflows: readonly Workflow[]) =>
  createApi().openapi(give, async (c) => {
    const { name, itemId: id, event } = c.req.valid('param')
    const { name: workflow, events } = workflowNamed(workflows, name)
    const { data, ...asked } = c.req.valid('json')
    const declared = Object.entries(events).find(([declaredName]) => declaredName === event)
    parse(declared?.[1] ?? anyJson, data, 'data')
    const by = askedBy(c.var.actor, asked)
    const given = await giveEventTo(c.var.services, { workflow, itemId: id, event }, data, by)
    if (given.length === 0) throw notFound(`unfinished durable item ${id} of ${workflow}`)
    const items = given.filter(({ counts }) => counts).map(({ batchId, waiting }) => ({ batchId, waiting }))
    if (items.length > 0) return c.json({ workflow, itemId: id, event, items }, 200)
    const batchIds = given.map(({ batchId }) => batchId)
    throw conflict(`item ${id} has got another ${event}, or does not wait for it any more`, { batchIds })
  })
