import { Hono, type Context } from 'hono'
import { isStorable } from '../db/storable.ts'
import type { EngineEnv } from '../engine/layers/mount.ts'
import { storedResult } from '../engine/ledger/results.ts'
import type { Services } from '../engine/services.ts'
import { describeError, notFound } from '../errors.ts'
import type { Json, Reader, Workflow } from '../workflows/contract.ts'

/** One GET route for every workflow whose results are read over HTTP. */
export function resultRoutes(workflows: readonly Workflow[]): Hono<EngineEnv> {
  const app = new Hono<EngineEnv>()
  for (const workflow of workflows) {
    const { read } = workflow
    if (read === undefined) continue
    const parameter = /:(\w+)/.exec(read.path)?.[1] ?? 'id'
    app.get(read.path, async (c) => {
      const id = c.req.param(parameter) ?? ''
      if (!isStorable(id)) throw notFound(workflow.entity.one)
      return c.json(await readResult(c.var.services, workflow, read, id, c.executionCtx))
    })
  }
  return app
}

/** The owner's own text, else the generated one from the cache or the database, else the empty result. */
async function readResult(
  services: Services,
  workflow: Workflow,
  read: Reader<Json>,
  id: string,
  background: Pick<Context['executionCtx'], 'waitUntil'>,
): Promise<Json> {
  const [own, cached] = await Promise.all([read.own(services, id), fromCache(services, workflow, read, id)])
  if (own === undefined) throw notFound(`${workflow.entity.one} ${id}`)
  if (own !== null) return own
  if (cached !== null) return cached
  const scope = workflow.scope(workflow.params.parse({}))
  const stored = await storedResult(services.db, workflow, scope, id)
  if (stored === null) return read.empty
  background.waitUntil(
    workflow.publish(services, id, stored).catch((error: unknown) => reportCache(workflow, error)),
  )
  return stored.data
}

async function fromCache(
  services: Services,
  workflow: Workflow,
  read: Reader<Json>,
  id: string,
): Promise<Json> {
  try {
    return (await read.cached(services, id))?.data ?? null
  } catch (error) {
    reportCache(workflow, error)
    return null
  }
}

const reportCache = (workflow: Workflow, error: unknown) =>
  console.error(`[${workflow.name}:read] the cache did not answer ${JSON.stringify(describeError(error))}`)
