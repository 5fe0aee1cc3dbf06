import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { AppEnv } from '../engine/app-env.ts'
import { json, problems } from './admin/api.ts'

const health = createRoute({
  method: 'get',
  path: '/health',
  operationId: 'getHealth',
  summary: 'Whether the Worker is configured',
  description: 'Asks no service: the database, QStash, the cache and the model may be down.',
  tags: ['health'],
  responses: {
    200: json(z.object({ status: z.literal('ok'), environment: z.string() }), 'It is'),
    503: problems[503],
  },
})

export const healthRoute = () =>
  new OpenAPIHono<AppEnv>().openapi(health, (c) =>
    c.json({ status: 'ok' as const, environment: c.var.services.env.ENVIRONMENT }, 200),
  )
