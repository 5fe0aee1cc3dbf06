import { createRoute, z } from '@hono/zod-openapi'
import { giveEventTo } from '../../engine/durable/events.ts'
import { notFound } from '../../errors.ts'
import type { Workflow } from '../../workflows/contract.ts'
import { askedBy } from '../auth.ts'
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

const path = z.object({ name: z.string(), itemId, event: z.string().min(1).max(200) })
const givenSchema = path.omit({ name: true }).extend({ workflow: z.string() }).openapi('GivenEvent')

const give = createRoute({
  method: 'post',
  path: '/workflows/{name}/items/{itemId}/events/{event}',
  operationId: 'giveEvent',
  summary: 'Give an event to an item that waits for it, or will',
  description:
    'The first one counts; data that the workflow does not expect fails the item. 404 when no batch has the item unfinished.',
  tags: ['items'],
  security,
  request: { params: path, ...body(z.strictObject({ data: anyJson, reason }).openapi('Event')) },
  responses: { 200: json(givenSchema, 'It is given'), ...problemsOfChange },
})

export const giveEventRoutes = (workflows: readonly Workflow[]) =>
  createApi().openapi(give, async (c) => {
    const { name, itemId: id, event } = c.req.valid('param')
    const workflow = workflowNamed(workflows, name).name
    const { data, ...asked } = c.req.valid('json')
    const by = askedBy(c.var.actor, asked)
    const isGiven = await giveEventTo(c.var.services, { workflow, itemId: id, event }, data, by)
    if (!isGiven) throw notFound(`unfinished durable item ${id} of ${workflow}`)
    return c.json({ workflow, itemId: id, event }, 200)
  })
