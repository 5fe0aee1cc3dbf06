import { createRoute, z } from '@hono/zod-openapi'
import { listChanges, type Change } from '../../engine/ledger/read-changes.ts'
import { anyJson, createApi, json, limitQuery, listOf, page, problems, security } from './api.ts'

export const changeSchema = z
  .object({
    id: z.int(),
    at: z.iso.datetime(),
    actor: z.string().openapi({ description: 'Name of a token, ADMIN_TOKEN, or `rounds` itself' }),
    action: z.string().openapi({ example: 'batch.pause' }),
    workflow: z.string().nullable(),
    batchId: z.uuid().nullable(),
    reason: z.string().nullable(),
    before: anyJson,
    after: anyJson,
  })
  .openapi('Change')

export const changeResource = (change: Omit<Change, 'key'>): z.output<typeof changeSchema> => ({
  id: change.id,
  at: change.at.toISOString(),
  actor: change.actor,
  action: change.action,
  workflow: change.workflow,
  batchId: change.batchId,
  reason: change.reason,
  before: change.before,
  after: change.after,
})

const list = createRoute({
  method: 'get',
  path: '/changes',
  operationId: 'listChanges',
  summary: 'Who changed what, when and why: latest first',
  tags: ['changes'],
  security,
  request: {
    query: z.strictObject({
      batchId: z.uuid().optional(),
      workflow: z.string().optional(),
      actor: z.string().optional(),
      cursor: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
      limit: limitQuery,
    }),
  },
  responses: { 200: json(listOf(changeSchema), 'The changes'), ...problems },
})

export const changeRoutes = () =>
  createApi().openapi(list, async (c) => {
    const { limit, ...filter } = c.req.valid('query')
    const rows = await listChanges(c.var.services.db, { ...filter, count: limit + 1 })
    return c.json(
      page(rows, limit, changeResource, ({ id }) => String(id)),
      200,
    )
  })
