import { Hono } from 'hono'
import type { AppEnv } from '../engine/app-env.ts'
import { mountWorkflows } from '../engine/layers/mount.ts'
import type { Services } from '../engine/services.ts'
import type { Workflow } from '../workflows/contract.ts'
import { adminRoutes } from './admin/routes.ts'
import { limitBody } from './limit-body.ts'
import { onError, onNotFound } from './respond.ts'
import { resultRoutes } from './results.ts'

/** QStash leaves a longer step log for the SDK to fetch. */
const maxDeliveryBytes = 4 * 1024 * 1024

/**
 * The Worker's whole HTTP surface.
 *
 * @param createServices makes a request's services from its bindings; it throws HttpError 503 when one is missing.
 */
export function createApp(
  workflows: readonly Workflow[],
  createServices: (bindings: unknown) => Services,
): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  app.onError(onError)
  app.notFound(onNotFound)
  app.use(async (c, next) => {
    c.set('services', createServices(c.env))
    await next()
  })
  app.get('/health', (c) => c.json({ status: 'ok', environment: c.var.services.env.ENVIRONMENT }))
  app.use('/api/workflows/*', limitBody(maxDeliveryBytes))
  app.route('/', mountWorkflows(workflows))
  app.route('/', adminRoutes(workflows))
  app.route('/', resultRoutes(workflows))
  return app
}
