import { Hono } from 'hono'
import { mountWorkflows, type EngineEnv } from '../engine/layers/mount.ts'
import type { Services } from '../engine/services.ts'
import type { Workflow } from '../workflows/contract.ts'
import { adminRoutes } from './admin/routes.ts'
import { onError, onNotFound } from './respond.ts'
import { resultRoutes } from './results.ts'

/**
 * The Worker's whole HTTP surface.
 *
 * @param createServices makes a request's services from its bindings; it throws HttpError 503 when one is missing.
 */
export function createApp(
  workflows: readonly Workflow[],
  createServices: (bindings: unknown) => Services,
): Hono<EngineEnv> {
  const app = new Hono<EngineEnv>()
  app.onError(onError)
  app.notFound(onNotFound)
  app.use(async (c, next) => {
    c.set('services', createServices(c.env))
    await next()
  })
  app.get('/health', (c) => c.json({ status: 'ok', environment: c.var.services.env.ENVIRONMENT }))
  app.route('/', mountWorkflows(workflows))
  app.route('/', adminRoutes(workflows))
  app.route('/', resultRoutes(workflows))
  return app
}
