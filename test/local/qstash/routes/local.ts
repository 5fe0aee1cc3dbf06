import { Hono, type Context } from 'hono'
import { dropRun } from '../end-run.ts'
import { untilIdle } from '../idle.ts'
import type { Outcome } from '../message.ts'
import { Problem } from '../problem.ts'
import { completeDelivery, nextDueInMs, takeDelivery } from '../pull.ts'
import { numberParam } from '../query.ts'
import { bodyObject } from '../request-body.ts'
import { resetWorld, statsOf, type World } from '../world.ts'

function lists(headers: unknown): Record<string, string[]> {
  const result: Record<string, string[]> = {}
  if (typeof headers !== 'object' || headers === null) return result
  for (const [name, value] of Object.entries(headers)) {
    const values: unknown[] = Array.isArray(value) ? value : [value]
    result[name.toLowerCase()] = values.map(String)
  }
  return result
}

function outcomeOf(input: Record<string, unknown>): Outcome {
  const { error, status, headers, body } = input
  if (typeof error === 'string') return { status: 500, headers: {}, body: Buffer.from(error), error }
  if (typeof status !== 'number' || !Number.isInteger(status)) {
    throw new Problem(400, 'a delivery is completed with { status, headers, body } or { error }')
  }
  return { status, headers: lists(headers), body: Buffer.from(typeof body === 'string' ? body : '') }
}

/** Hands out the next delivery that is due, or says when there will be one. */
async function nextOf(c: Context, world: World, waitMs: number): Promise<Response> {
  const delivery = await takeDelivery(world, waitMs)
  if (delivery) return c.json(delivery)
  const dueIn = nextDueInMs(world)
  const { inFlight } = world.outbox.counts
  return c.body(null, 204, {
    'Local-In-Flight': String(inFlight),
    ...(dueIn !== undefined && { 'Local-Next-Due-Ms': String(dueIn) }),
  })
}

function pullRoutes(world: World) {
  return new Hono()
    .use(async (_, next) => {
      if (world.settings.mode !== 'pull') throw new Problem(409, 'deliveries are taken in pull mode only')
      await next()
    })
    .post('/next', (c) => nextOf(c, world, numberParam(c, 'waitMs') ?? 0))
    .post('/:id', async (c) => {
      completeDelivery(world, c.req.param('id'), outcomeOf(await bodyObject(c)))
      const waitMs = numberParam(c, 'nextWaitMs')
      return waitMs === undefined ? c.json({ completed: c.req.param('id') }) : await nextOf(c, world, waitMs)
    })
}

/** What only tests ask for; the real service has none of it. */
export function localRoutes(world: World) {
  return new Hono()
    .basePath('/local')
    .get('/stats', (c) => c.json(statsOf(world)))
    .post('/reset', (c) => {
      resetWorld(world)
      return c.json({ reset: true })
    })
    .post('/idle', async (c) => {
      const timeoutMs = numberParam(c, 'timeoutMs') ?? 60_000
      await untilIdle(world, { timeoutMs, ignoreDelayed: c.req.query('ignoreDelayed') === 'true' })
      return c.json({ idle: true })
    })
    .post('/clock/advance', async (c) => {
      const { ms } = await bodyObject(c)
      if (typeof ms !== 'number' || !(ms >= 0)) throw new Problem(400, 'ms must be a number of milliseconds')
      world.clock.advance(ms)
      return c.json({ now: world.clock.now() })
    })
    .post('/drop', async (c) => {
      const { runId } = await bodyObject(c)
      const run = typeof runId === 'string' ? world.runs.get(runId) : undefined
      if (!run) throw new Problem(404, `workflow run ${String(runId)} is not found`)
      dropRun(world, run)
      return c.json({ dropped: run.id })
    })
    .route('/deliveries', pullRoutes(world))
}
