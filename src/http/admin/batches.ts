import { createRoute, z } from '@hono/zod-openapi'
import { batchStatuses, itemStatuses } from '../../db/schema.ts'
import { batchNow } from '../../engine/ledger/progress.ts'
import { findBatch, listBatches, type BatchWithPlan } from '../../engine/ledger/read-batches.ts'
import { listItems } from '../../engine/ledger/read-items.ts'
import type { Services } from '../../engine/services.ts'
import { notFound } from '../../errors.ts'
import {
  batchPath,
  createApi,
  json,
  limitQuery,
  listOf,
  page,
  problems,
  problemsOfOne,
  security,
} from './api.ts'
import { batchResource, batchSchema } from './resources/batch.ts'
import { itemResource, itemSchema } from './resources/item.ts'
import { batchWithProgress, batchWithProgressSchema } from './resources/progress.ts'

const list = createRoute({
  method: 'get',
  path: '/batches',
  operationId: 'listBatches',
  summary: 'Batches, latest first',
  tags: ['batches'],
  security,
  request: {
    query: z.strictObject({
      workflow: z.string().optional(),
      status: z.enum(batchStatuses).optional(),
      open: z
        .stringbool({ truthy: ['true'], falsy: ['false'] })
        .optional()
        .openapi({
          type: 'boolean',
          description:
            'True: those that have not ended, or of which items have not, also of a completed batch',
        }),
      cursor: z.uuid().optional(),
      limit: limitQuery,
    }),
  },
  responses: { 200: json(listOf(batchSchema), 'The batches'), ...problems },
})

const get = createRoute({
  method: 'get',
  path: '/batches/{id}',
  operationId: 'getBatch',
  summary: 'One batch, and how far it is',
  tags: ['batches'],
  security,
  request: { params: batchPath },
  responses: { 200: json(batchWithProgressSchema, 'The batch'), ...problemsOfOne },
})

const items = createRoute({
  method: 'get',
  path: '/batches/{id}/items',
  operationId: 'listItems',
  summary: 'Items of a batch, by id',
  tags: ['batches'],
  security,
  request: {
    params: batchPath,
    query: z.strictObject({
      status: z.enum(itemStatuses).optional(),
      fingerprint: z
        .string()
        .optional()
        .openapi({ description: 'Group of the last error, also of items that are tried again' }),
      cursor: z.string().optional(),
      limit: limitQuery,
    }),
  },
  responses: { 200: json(listOf(itemSchema), 'The items'), ...problemsOfOne },
})

/** @throws HttpError 404 */
export async function batchOf({ db }: Services, id: string): Promise<BatchWithPlan> {
  const batch = await findBatch(db, id)
  if (batch === undefined) throw notFound(`batch ${id}`)
  return batch
}

export const batchRoutes = () =>
  createApi()
    .openapi(list, async (c) => {
      const { limit, ...filter } = c.req.valid('query')
      const rows = await listBatches(c.var.services.db, { ...filter, count: limit + 1 })
      return c.json(
        page(rows, limit, batchResource, ({ id }) => id),
        200,
      )
    })
    .openapi(get, async (c) => {
      const { id } = c.req.valid('param')
      const found = await batchNow(c.var.services.db, id)
      if (found === undefined) throw notFound(`batch ${id}`)
      return c.json(batchWithProgress(found), 200)
    })
    .openapi(items, async (c) => {
      const { id } = c.req.valid('param')
      const { limit, ...filter } = c.req.valid('query')
      await batchOf(c.var.services, id)
      const rows = await listItems(c.var.services.db, id, { ...filter, count: limit + 1 })
      return c.json(
        page(rows, limit, itemResource, (item) => item.id),
        200,
      )
    })
