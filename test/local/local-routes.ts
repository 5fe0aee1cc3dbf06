import { Hono } from 'hono'
import { z } from 'zod'

/** The routes under `/local` that these local services have. @param options.faults its `set` replaces all faults and throws a ZodError. */
export function localRoutes(options: {
  faults: { set(faults: unknown): unknown }
  stats: () => unknown
  reset: () => Promise<void> | void
}): Hono {
  const app = new Hono()
  app.post('/faults', async (c) => {
    try {
      return c.json(options.faults.set(await c.req.json()))
    } catch (error) {
      return c.json({ error: error instanceof z.ZodError ? z.prettifyError(error) : String(error) }, 400)
    }
  })
  app.post('/reset', async (c) => {
    await options.reset()
    return c.json({ ok: true })
  })
  app.get('/stats', (c) => c.json(options.stats()))
  return app
}
