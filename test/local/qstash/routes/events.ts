import { type Context, Hono } from 'hono'
import { headerLists, headerMap } from '../headers.ts'
import { Problem } from '../problem.ts'
import { bodyObject, bodyText } from '../request-body.ts'
import { notify, notifyRun, showWaiter, waitForEvent } from '../wait.ts'
import type { World } from '../world.ts'

/** The request to a webhook, such that the SDK can rebuild it. */
async function describeRequest(c: Context): Promise<string> {
  const { protocol, host, pathname, search } = new URL(c.req.url)
  const body = Buffer.from(await c.req.arrayBuffer())
  return JSON.stringify({
    method: c.req.method,
    proto: protocol.slice(0, -1),
    host: c.req.header('host') ?? host,
    url: pathname + search,
    header: headerLists(c.req.raw.headers),
    body: body.toString('base64'),
  })
}

/** Waiting for events, notifying, and webhooks. */
export function eventRoutes(world: World) {
  return new Hono()
    .post('/v2/wait/:eventId', async (c) => {
      const headers = headerMap(c.req.raw.headers)
      const request = await bodyObject(c)
      return c.json(waitForEvent(world, { eventId: c.req.param('eventId'), headers, request }))
    })
    .post('/v2/notify/:eventId', async (c) => {
      return c.json(notify(world, c.req.param('eventId'), await bodyText(c)))
    })
    .post('/v2/notify/:runId/:eventId', async (c) => {
      const { runId, eventId } = c.req.param()
      return c.json(notifyRun(world, runId, eventId, await bodyText(c)))
    })
    .get('/v2/waiters/:eventId', (c) => {
      const waiters = world.events.waiters(c.req.param('eventId'))
      return c.json(waiters.length > 0 ? waiters.map(showWaiter) : null)
    })
    .all('/v2/workflows/hooks/:userId/:runId/:eventId', async (c) => {
      const { runId, eventId } = c.req.param()
      if (!world.runs.active(runId)) throw new Problem(404, `workflow run ${runId} is not found`)
      notifyRun(world, runId, eventId, await describeRequest(c))
      return c.json({ workflowRunId: runId, eventId })
    })
}
