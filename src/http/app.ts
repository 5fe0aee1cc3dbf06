import { OpenAPIHono } from '@hono/zod-openapi'
import type { AppEnv } from '../engine/app-env.ts'
import { mountWorkflows } from '../engine/layers/mount.ts'
import type { Services } from '../engine/services.ts'
import type { Workflow } from '../workflows/contract.ts'
import { adminRoutes } from './admin/routes.ts'
import { docsRoutes } from './docs.ts'
import { healthRoute } from './health.ts'
import { limitBody } from './limit-body.ts'
import { serveDocument } from './openapi.ts'
import { onError, onNotFound } from './respond.ts'
import { resultRoutes } from './results.ts'

/** QStash leaves a longer step log for the SDK to fetch. */
const maxDeliveryBytes = 4 * 1024 * 1024

/**
 * The Worker's whole HTTP surface.
 *
 * @param servicesOf finds the services of its bindings; it throws HttpError 503 when one is missing.
 */
export function createApp(
  workflows: readonly Workflow[],
  servicesOf: (bindings: unknown) => Services,
): OpenAPIHono<AppEnv> {
  const app = new OpenAPIHono<AppEnv>()
  app.onError(onError)
  app.notFound(onNotFound)
  app.use(async (c, next) => {
    c.set('services', servicesOf(c.env))
    await next()
  })
  app.route('/', healthRoute())
  app.use('/api/workflows/*', limitBody(maxDeliveryBytes))
  app.route('/', mountWorkflows(workflows))
  app.route('/', adminRoutes(workflows))
  app.route('/', resultRoutes(workflows))
  app.route('/', docsRoutes())
  serveDocument(app)
  return app
}
