import { Hono } from 'hono'
import { Problem } from './problem.ts'
import { dlqRoutes } from './routes/dlq.ts'
import { eventRoutes } from './routes/events.ts'
import { flowControlRoutes } from './routes/flow-control.ts'
import { localRoutes } from './routes/local.ts'
import { messageRoutes } from './routes/messages.ts'
import { publishRoutes } from './routes/publish.ts'
import { runRoutes } from './routes/runs.ts'
import type { World } from './world.ts'

const HOOKS = '/v2/workflows/hooks/'

const routeName = (method: string, path: string) => `${method} ${path.split('/').slice(0, 3).join('/')}`

/** The HTTP interface of the local QStash. */
export function createApp(world: World): Hono {
  const { token, currentSigningKey, nextSigningKey } = world.settings
  const app = new Hono()
  app.use(async (c, next) => {
    if (!c.req.path.startsWith('/local/')) world.stats.request(routeName(c.req.method, c.req.path))
    if (!c.req.path.startsWith(HOOKS) && c.req.header('authorization') !== `Bearer ${token}`) {
      throw new Problem(401, 'unauthorized: invalid or missing bearer token')
    }
    await next()
  })
  app.get('/v2/keys', (c) => c.json({ current: currentSigningKey, next: nextSigningKey }))
  for (const routes of [
    publishRoutes,
    runRoutes,
    eventRoutes,
    dlqRoutes,
    flowControlRoutes,
    messageRoutes,
    localRoutes,
  ])
    app.route('/', routes(world))
  app.notFound((c) =>
    c.json({ error: `${c.req.method} ${c.req.path} is not served by the local QStash` }, 404),
  )
  app.onError((error, c) => {
    if (error instanceof Problem) return c.json({ error: error.message }, error.status)
    return c.json({ error: `internal error: ${error.message}` }, 500)
  })
  return app
}
