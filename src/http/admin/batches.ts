import { createRoute, z } from '@hono/zod-openapi'
import { batchStatuses, itemStatuses } from '../../db/schema.ts'
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

const list = createRoute({
  method: 'get',
  path: '/batches',
  summary: 'Batches, latest first',
  tags: ['batches'],
  security,
  request: {
    query: z.strictObject({
      workflow: z.string().optional(),
      status: z.enum(batchStatuses).optional(),
      cursor: z.uuid().optional(),
      limit: limitQuery,
    }),
  },
  responses: { 200: json(listOf(batchSchema), 'The batches'), ...problems },
})

const get = createRoute({
  method: 'get',
  path: '/batches/{id}',
  summary: 'One batch',
  tags: ['batches'],
  security,
  request: { params: batchPath },
  responses: { 200: json(batchSchema, 'The batch'), ...problemsOfOne },
})

const items = createRoute({
  method: 'get',
  path: '/batches/{id}/items',
  summary: 'Items of a batch, by id',
  tags: ['batches'],
  security,
  request: {
    params: batchPath,
    query: z.strictObject({
      status: z.enum(itemStatuses).optional(),
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
      return c.json(batchResource(await batchOf(c.var.services, id)), 200)
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
