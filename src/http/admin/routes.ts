import { Hono } from 'hono'
import type { AppEnv } from '../../engine/app-env.ts'
import { findBatch, listBatches, listItems, listPlans } from '../../engine/ledger/read-batches.ts'
import { notFound } from '../../errors.ts'
import type { Workflow } from '../../workflows/contract.ts'
import { requireAdmin } from '../auth.ts'
import { limitBody } from '../limit-body.ts'
import { parse } from '../respond.ts'
import { control } from './control.ts'
import { batchId, batchQuery, itemQuery, planQuery } from './requests.ts'
import { batchResource, itemResource, page, planResource, workflowResource } from './resources.ts'
import { start } from './start.ts'

const maxBodyBytes = 64 * 1024

/** What operators use: everything below `/api/admin`. */
export function adminRoutes(workflows: readonly Workflow[]): Hono<AppEnv> {
  const app = new Hono<AppEnv>().basePath('/api/admin')
  app.use(requireAdmin)
  app.use(limitBody(maxBodyBytes))

  app.get('/workflows', (c) => c.json({ data: workflows.map(workflowResource) }))
  app.post('/workflows/:name/batches', (c) => start(c, workflows))

  app.get('/plans', async (c) => {
    const { limit, ...filter } = parse(planQuery, c.req.query())
    const rows = await listPlans(c.var.services.db, { ...filter, count: limit + 1 })
    return c.json(page(rows, limit, planResource))
  })

  app.get('/batches', async (c) => {
    const { limit, ...filter } = parse(batchQuery, c.req.query())
    const rows = await listBatches(c.var.services.db, { ...filter, count: limit + 1 })
    return c.json(page(rows, limit, batchResource))
  })
  app.get('/batches/:id', async (c) => {
    const id = parse(batchId, c.req.param('id'))
    const batch = await findBatch(c.var.services.db, id)
    if (batch === undefined) throw notFound(`batch ${id}`)
    return c.json(batchResource(batch))
  })
  app.get('/batches/:id/items', async (c) => {
    const id = parse(batchId, c.req.param('id'))
    const { limit, ...filter } = parse(itemQuery, c.req.query())
    const { db } = c.var.services
    if ((await findBatch(db, id)) === undefined) throw notFound(`batch ${id}`)
    return c.json(page(await listItems(db, id, { ...filter, count: limit + 1 }), limit, itemResource))
  })
  for (const action of ['pause', 'resume', 'cancel'] as const) {
    app.post(`/batches/:id/${action}`, (c) => control(c, workflows, action))
  }
  return app
}
