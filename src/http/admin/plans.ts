import { createRoute, z } from '@hono/zod-openapi'
import { findPlan, listPlans } from '../../engine/ledger/read-plans.ts'
import { notFound } from '../../errors.ts'
import { createApi, json, limitQuery, listOf, page, problems, problemsOfOne, security } from './api.ts'
import { planResource, planSchema } from './resources/plan.ts'

const list = createRoute({
  method: 'get',
  path: '/plans',
  operationId: 'listPlans',
  summary: 'Plans, latest first',
  tags: ['plans'],
  security,
  request: {
    query: z.strictObject({
      workflow: z.string().optional(),
      cursor: z.uuid().optional(),
      limit: limitQuery,
    }),
  },
  responses: { 200: json(listOf(planSchema), 'The plans'), ...problems },
})

const get = createRoute({
  method: 'get',
  path: '/plans/{id}',
  operationId: 'getPlan',
  summary: 'One plan',
  tags: ['plans'],
  security,
  request: { params: z.object({ id: z.uuid('is not a plan id') }) },
  responses: { 200: json(planSchema, 'The plan'), ...problemsOfOne },
})

export const planRoutes = () =>
  createApi()
    .openapi(list, async (c) => {
      const { limit, ...filter } = c.req.valid('query')
      const rows = await listPlans(c.var.services.db, { ...filter, count: limit + 1 })
      return c.json(
        page(rows, limit, planResource, ({ id }) => id),
        200,
      )
    })
    .openapi(get, async (c) => {
      const { id } = c.req.valid('param')
      const plan = await findPlan(c.var.services.db, id)
      if (plan === undefined) throw notFound(`plan ${id}`)
      return c.json(planResource(plan), 200)
    })
