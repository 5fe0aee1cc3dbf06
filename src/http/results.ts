import { OpenAPIHono, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { isMalformedText } from '../db/client.ts'
import { isStorable } from '../db/json.ts'
import type { AppEnv } from '../engine/app-env.ts'
import { storedAt, storedResult } from '../engine/ledger/results.ts'
import type { Services } from '../engine/services.ts'
import { describeError, notFound } from '../errors.ts'
import type { Json, Reader, Result, Workflow } from '../workflows/contract.ts'
import { json, problemsOfOne } from './admin/api.ts'

/** One GET route for every workflow whose results are read over HTTP. */
export function resultRoutes(workflows: readonly Workflow[]): OpenAPIHono<AppEnv> {
  const app = new OpenAPIHono<AppEnv>()
  for (const workflow of workflows) {
    const { read } = workflow
    if (read === undefined) continue
    const parameter = /:(\w+)/.exec(read.path)?.[1] ?? 'id'
    app.get(read.path, async (c) => {
      const id = c.req.param(parameter) ?? ''
      if (!isStorable(id)) throw notFound(workflow.entity.one)
      return c.json(await readResult(c.var.services, workflow, read, id, c.executionCtx))
    })
    app.openAPIRegistry.registerPath({
      method: 'get',
      path: read.path.replace(/:(\w+)/, '{$1}'),
      operationId: `read-${workflow.name}`.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase()),
      summary: `What ${workflow.name} says for one ${workflow.entity.one}`,
      description: "The owner's own text, else the generated one, else an empty result.",
      tags: ['results'],
      request: { params: z.object({ [parameter]: z.string() }) },
      responses: {
        200: json(shapeOf(workflow), 'The result'),
        404: problemsOfOne[404],
        503: problemsOfOne[503],
      },
    })
  }
  return app
}

/** Bounds of generated results, which an owner's own text and the empty result need not keep to. */
const bounds = ['minItems', 'maxItems', 'minLength', 'maxLength', 'minimum', 'maximum', 'pattern'] as const

/** What readers get of a workflow: the shape of its results. */
const shapeOf = ({ data }: Workflow) =>
  z.fromJSONSchema(
    z.toJSONSchema(data, {
      unrepresentable: 'any',
      override({ jsonSchema }) {
        for (const bound of bounds) delete jsonSchema[bound]
      },
    }),
  )

/**
 * The owner's own text, else the generated one, else the empty result. A cached entry is passed over when
 * another one is stored: the cache may have been down when that was published.
 */
async function readResult(
  services: Services,
  workflow: Workflow,
  read: Reader<Json>,
  id: string,
  background: Pick<Context['executionCtx'], 'waitUntil'>,
): Promise<Json> {
  const { db } = services
  const [[own, generatedAt], cached] = await Promise.all([
    fromDatabase(services, workflow, read, id),
    fromCache(services, workflow, read, id),
  ])
  if (own === undefined) throw notFound(`${workflow.entity.one} ${id}`)
  if (own !== null) return own
  if (cached !== null && (generatedAt === null || cached.generatedAt === generatedAt)) return cached.data

  const scope = defaultScope(workflow)
  const stored = await storedResult(db, workflow, scope, id)
  if (stored === null) return read.empty
  background.waitUntil(
    workflow
      .publish({ cache: services.cache, scope }, id, stored)
      .catch((error: unknown) => reportCache(workflow, error)),
  )
  return stored.data
}

/** What readers see: the results of a batch that is started without params. */
const defaultScope = (workflow: Workflow) => workflow.scope(workflow.params.parse({}))

/** The owner's own text, and when the stored result was made. */
async function fromDatabase({ db }: Services, workflow: Workflow, read: Reader<Json>, id: string) {
  try {
    return await Promise.all([read.own({ db }, id), storedAt(db, workflow, defaultScope(workflow), id)])
  } catch (error) {
    if (isMalformedText(error)) throw notFound(`${workflow.entity.one} ${id}`)
    throw error
  }
}

async function fromCache(
  services: Services,
  workflow: Workflow,
  read: Reader<Json>,
  id: string,
): Promise<Result<Json> | null> {
  try {
    return await read.cached({ cache: services.cache, scope: defaultScope(workflow) }, id)
  } catch (error) {
    reportCache(workflow, error)
    return null
  }
}

const reportCache = (workflow: Workflow, error: unknown) =>
  console.error(`[${workflow.name}:read] the cache did not answer ${JSON.stringify(describeError(error))}`)
