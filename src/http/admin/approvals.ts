import { createRoute, z } from '@hono/zod-openapi'
import { approvalStatuses } from '../../db/schema.ts'
import { decide, listApprovals, readApproval, type Approval } from '../../engine/ledger/approvals.ts'
import { giveEventTo } from '../../engine/durable/events.ts'
import { conflict, notFound } from '../../errors.ts'
import {
  anyJson,
  body,
  createApi,
  json,
  limitQuery,
  listOf,
  page,
  problems,
  problemsOfChange,
  problemsOfOne,
  reason,
  security,
} from './api.ts'

const approvalSchema = z
  .object({
    id: z.string(),
    workflow: z.string(),
    itemId: z.string(),
    subject: z.string(),
    details: anyJson,
    status: z.enum(approvalStatuses),
    decidedBy: z.string().nullable(),
    reason: z.string().nullable(),
    createdAt: z.iso.datetime(),
    expiresAt: z.iso.datetime().openapi({ description: 'Nobody waits for a decision any longer' }),
    decidedAt: z.iso.datetime().nullable(),
  })
  .openapi('Approval')

const resource = (approval: Approval): z.output<typeof approvalSchema> => ({
  id: approval.id,
  workflow: approval.workflow,
  itemId: approval.itemId,
  subject: approval.subject,
  details: approval.details,
  status: approval.status,
  decidedBy: approval.decidedBy,
  reason: approval.reason,
  createdAt: approval.createdAt.toISOString(),
  expiresAt: approval.expiresAt.toISOString(),
  decidedAt: approval.decidedAt?.toISOString() ?? null,
})

const list = createRoute({
  method: 'get',
  path: '/approvals',
  operationId: 'listApprovals',
  summary: 'What waits for a decision, or has got one, oldest first',
  tags: ['approvals'],
  security,
  request: {
    query: z.strictObject({
      status: z.enum(approvalStatuses).optional(),
      workflow: z.string().optional(),
      cursor: z.string().max(200).optional(),
      limit: limitQuery,
    }),
  },
  responses: { 200: json(listOf(approvalSchema), 'The approvals'), ...problems },
})

const get = createRoute({
  method: 'get',
  path: '/approvals/{id}',
  operationId: 'getApproval',
  summary: 'One approval',
  tags: ['approvals'],
  security,
  request: { params: z.object({ id: z.string().min(1).max(200) }) },
  responses: { 200: json(approvalSchema, 'The approval'), ...problemsOfOne },
})

const decideRoute = createRoute({
  method: 'post',
  path: '/approvals/{id}',
  operationId: 'decideApproval',
  summary: 'Decide',
  description:
    'Answers 200 also when it was decided so before, 409 when it was decided otherwise or is too late.',
  tags: ['approvals'],
  security,
  request: {
    params: z.object({ id: z.string().min(1).max(200) }),
    ...body(z.strictObject({ decision: z.enum(['approved', 'rejected']), reason }).openapi('Decision')),
  },
  responses: { 200: json(approvalSchema, 'The approval'), ...problemsOfChange },
})

export const approvalRoutes = () =>
  createApi()
    .openapi(list, async (c) => {
      const { limit, ...filter } = c.req.valid('query')
      const rows = await listApprovals(c.var.services.db, { ...filter, count: limit + 1 })
      return c.json(
        page(rows, limit, resource, ({ id }) => id),
        200,
      )
    })
    .openapi(get, async (c) => {
      const { id } = c.req.valid('param')
      const approval = await readApproval(c.var.services.db, id)
      if (approval === undefined) throw notFound(`approval ${id}`)
      return c.json(resource(approval), 200)
    })
    .openapi(decideRoute, async (c) => {
      const { services, actor } = c.var
      const { id } = c.req.valid('param')
      const { decision, reason: why } = c.req.valid('json')
      const approval = await decide(services.db, id, decision, { actor: actor.name, reason: why ?? null })
      if (approval === undefined) throw notFound(`approval ${id}`)
      if (approval.status !== decision) {
        const state =
          approval.status === 'pending'
            ? 'its time is over, or its item does not wait for it any more'
            : `it is ${approval.status} already`
        throw conflict(state, { status: approval.status })
      }
      // Told again when it is repeated: whoever decided first may have died before it could tell.
      const { workflow, itemId, event } = approval
      await giveEventTo(services, { workflow, itemId, event }, decision)
      return c.json(resource(approval), 200)
    })
