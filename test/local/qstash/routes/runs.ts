import { type Context, Hono } from 'hono'
import { endRun } from '../end-run.ts'
import { cancelFailureCallback } from '../fail-run.ts'
import { listLogs } from '../logs.ts'
import { Problem } from '../problem.ts'
import { countParam, requireFilter } from '../query.ts'
import { bodyText } from '../request-body.ts'
import { CANCEL_PARAMS, type RunFilter, runFilter } from '../run-filter.ts'
import type { Run } from '../run.ts'
import { logBody } from '../step-log.ts'
import type { World } from '../world.ts'

const DEFAULT_CANCEL_COUNT = 100

function cancelRuns(world: World, c: Context): number {
  requireFilter(c, CANCEL_PARAMS)
  const filter = runFilter(c, { url: 'prefix' })
  const count = filter.ids ? Infinity : countParam(c, DEFAULT_CANCEL_COUNT)
  let cancelled = 0
  for (const run of candidates(world, filter)) {
    if (cancelled >= count) break
    if (!filter.matches(run)) continue
    if (run.state === 'RUN_STARTED') {
      endRun(world, run, { state: 'RUN_CANCELED' })
      cancelled++
    } else {
      cancelFailureCallback(world, run)
    }
  }
  return cancelled
}

function candidates(world: World, filter: RunFilter): Run[] {
  if (!filter.ids) return world.runs.listActive(filter.labels)
  return filter.ids.flatMap((id) => world.runs.get(id) ?? [])
}

/** What a running workflow asks of its own run, cancelling, and the logs. */
export function runRoutes(world: World) {
  return new Hono()
    .get('/v2/workflows/runs/:id', (c) => {
      const run = world.runs.active(c.req.param('id'))
      if (!run) throw new Problem(404, `workflow run ${c.req.param('id')} is not found`)
      return c.body(logBody(run), 200, { 'content-type': 'application/json' })
    })
    .delete('/v2/workflows/runs/:id', async (c) => {
      const run = world.runs.get(c.req.param('id'))
      if (!run) throw new Problem(404, `workflow run ${c.req.param('id')} is not found`)
      const body = await bodyText(c)
      if (run.state !== 'RUN_STARTED') return c.json({ workflowRunId: run.id })
      if (c.req.query('cancel') === 'true') endRun(world, run, { state: 'RUN_CANCELED' })
      else endRun(world, run, { state: 'RUN_SUCCESS', ...(body !== '' && { response: body }) })
      return c.json({ workflowRunId: run.id })
    })
    .delete('/v2/workflows/runs', (c) => c.json({ cancelled: cancelRuns(world, c) }))
    .get('/v2/workflows/events', (c) => c.json(listLogs(world, c)))
    .get('/v2/workflows/logs', (c) => c.json(listLogs(world, c)))
}
