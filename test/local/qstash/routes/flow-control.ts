import { type Context, Hono } from 'hono'
import { limitsOf } from '../flow-limits.ts'
import { Problem } from '../problem.ts'
import type { World } from '../world.ts'

/** Limits by key: what they are, and changing them while messages wait. */
export function flowControlRoutes(world: World) {
  const { flows, outbox, clock } = world
  const flowOf = (c: Context) => flows.get(c.req.param('key') ?? '')
  return new Hono()
    .get('/v2/flowControl', (c) => c.json(flows.list().map((flow) => flow.info())))
    .get('/v2/flowControl/:key', (c) => {
      const flow = flows.find(c.req.param('key'))
      if (!flow) throw new Problem(404, `flow control key ${c.req.param('key')} is not found`)
      return c.json(flow.info())
    })
    .get('/v2/globalParallelism', (c) => {
      const { max, count } = outbox.parallelism
      return c.json({ parallelismMax: max, parallelismCount: count })
    })
    .post('/v2/flowControl/:key/pause', (c) => {
      flowOf(c).paused = true
      return c.json({})
    })
    .post('/v2/flowControl/:key/resume', (c) => {
      flowOf(c).paused = false
      outbox.reopen(flowOf(c))
      return c.json({})
    })
    .post('/v2/flowControl/:key/pin', (c) => {
      const limits = limitsOf(c.req.query())
      if (limits.parallelism === undefined && limits.rate === undefined) {
        throw new Problem(400, 'pin a parallelism, a rate or both')
      }
      flowOf(c).pin(limits)
      outbox.reopen(flowOf(c))
      return c.json({})
    })
    .post('/v2/flowControl/:key/unpin', (c) => {
      flowOf(c).unpin({
        parallelism: c.req.query('parallelism') === 'true',
        rate: c.req.query('rate') === 'true',
      })
      outbox.reopen(flowOf(c))
      return c.json({})
    })
    .post('/v2/flowControl/:key/resetRate', (c) => {
      flowOf(c).resetRate(clock.ticks())
      outbox.reopen(flowOf(c))
      return c.json({})
    })
}
