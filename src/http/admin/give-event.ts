import { createRoute, z } from '@hono/zod-openapi'
import { giveEventTo } from '../../engine/durable/events.ts'
import { conflict, HttpError, invalid } from '../../errors.ts'
import { findItem } from '../../engine/ledger/read-items.ts'
import type { Services } from '../../engine/services.ts'
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
    'The first one counts, 409: another one came first, or its wait is over. Where the definition declares events, any other, and data that does not fit, is refused; else such data fails the item. 409 when the item has ended, 404 when there is none.',
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
    if (events !== null) parse(declared(events, workflow, event), data, 'data')
    const by = askedBy(c.var.actor, asked)
    const given = await giveEventTo(c.var.services, { workflow, itemId: id, event }, data, by)
    if (given.length === 0) throw await nobody(c.var.services, workflow, id)
    const items = given.filter(({ counts }) => counts).map(({ batchId, waiting }) => ({ batchId, waiting }))
    if (items.length > 0) return c.json({ workflow, itemId: id, event, items }, 200)
    const batchIds = given.map(({ batchId }) => batchId)
    throw conflict(`item ${id} has got another ${event}, or does not wait for it any more`, { batchIds })
  })

/** @throws HttpError 400 */
function declared(events: Workflow['events'] & object, workflow: string, event: string) {
  const found = Object.entries(events).find(([name]) => name === event)
  if (found !== undefined) return found[1]
  const names = Object.keys(events).join(', ')
  throw invalid(
    `${workflow} does not take the event ${event}, but ${names === '' ? 'none at all' : `only ${names}`}`,
  )
}

/** Why nobody could be given an event. */
async function nobody({ db }: Services, workflow: string, itemId: string): Promise<HttpError> {
  const [latest] = await findItem(db, workflow, itemId, 1)
  if (latest === undefined)
    return new HttpError(404, 'not_found', `no batch of ${workflow} has item ${itemId}`)
  const state = latest.undoing === null ? `has ended: ${latest.status}` : 'is being undone'
  return conflict(`item ${itemId} of ${workflow} ${latest.handler === null ? 'is not durable' : state}`, {
    batchId: latest.batchId,
    status: latest.status,
  })
}
