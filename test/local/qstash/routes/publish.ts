import { type Context, Hono } from 'hono'
import { headerMap } from '../headers.ts'
import { fieldsOf } from '../json.ts'
import { Problem } from '../problem.ts'
import { publish, type Published, type PublishResult, trigger } from '../publish.ts'
import { bodyJson, bodyText, destinationOf } from '../request-body.ts'
import type { World } from '../world.ts'

const CALLER = '127.0.0.1'

type Take = (world: World, input: Published) => PublishResult

function batchItem(value: unknown): Published {
  const { destination, headers, body } = fieldsOf(value)
  if (typeof destination !== 'string') throw new Problem(400, 'every item of a batch must have a destination')
  return {
    url: destination,
    headers: headerMap(headers),
    body: typeof body === 'string' ? body : '',
    callerIp: CALLER,
  }
}

async function takeBatch(world: World, c: Context, take: Take) {
  const items = await bodyJson(c)
  if (!Array.isArray(items)) throw new Problem(400, 'the body of a batch must be an array')
  const inputs = items.map(batchItem)
  let failed: Problem | undefined
  let taken = 0
  const results = inputs.map((input) => {
    try {
      const result = take(world, input)
      taken++
      return result
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      failed ??= error
      return { error: error.message, url: input.url }
    }
  })
  // A batch that fails in part answers as a success, with the errors inside.
  if (failed && taken === 0) throw failed
  return results
}

async function single(c: Context, prefix: string): Promise<Published> {
  return {
    url: destinationOf(c, prefix),
    headers: headerMap(c.req.raw.headers),
    body: await bodyText(c),
    callerIp: CALLER,
  }
}

/** Publishing messages and starting runs. */
export function publishRoutes(world: World) {
  return new Hono()
    .post('/v2/batch', async (c) => c.json(await takeBatch(world, c, publish)))
    .post('/v2/batch/trigger', async (c) => c.json(await takeBatch(world, c, trigger), 201))
    .post('/v2/publish/*', async (c) => {
      const result = publish(world, await single(c, '/v2/publish/'))
      return c.json(result, result.deduplicated ? 202 : 201)
    })
    .post('/v2/trigger/*', async (c) => {
      const result = trigger(world, await single(c, '/v2/trigger/'))
      return c.json(result, result.deduplicated ? 202 : 200)
    })
}
