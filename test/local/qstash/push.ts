import type { Delivery, Outcome } from './message.ts'
import { requestOf } from './request.ts'
import { settle } from './settle.ts'
import type { World } from './world.ts'

function failure(error: unknown): Outcome {
  const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : ''
  const text = (error instanceof Error ? error.message : String(error)) + cause
  return { status: 500, headers: {}, body: Buffer.from(text), error: text }
}

async function call(world: World, delivery: Delivery): Promise<Outcome> {
  const { message, abort } = delivery
  const { deliveryTimeoutMs } = world.settings
  const timeoutMs =
    message.timeoutMs === undefined ? deliveryTimeoutMs : world.clock.scaled(message.timeoutMs)
  const timer = setTimeout(() => abort.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
  try {
    const { url, method, headers, body } = await requestOf(world, message)
    const hasBody = method !== 'GET' && method !== 'HEAD'
    const response = await fetch(url, {
      method,
      headers,
      redirect: 'manual',
      signal: abort.signal,
      ...(hasBody && { body }),
    })
    const responseHeaders = Object.fromEntries([...response.headers].map(([name, value]) => [name, [value]]))
    return {
      status: response.status,
      headers: responseHeaders,
      body: Buffer.from(await response.arrayBuffer()),
    }
  } catch (error) {
    return failure(error)
  } finally {
    clearTimeout(timer)
  }
}

async function deliver(world: World, delivery: Delivery): Promise<void> {
  settle(world, delivery, await call(world, delivery))
}

/** Calls destinations over HTTP as soon as their messages may go. */
export function startPush(world: World): void {
  let planned = false
  const pump = () => {
    planned = false
    for (let delivery = world.outbox.next(); delivery; delivery = world.outbox.next()) {
      void deliver(world, delivery)
    }
  }
  world.outbox.onReady(() => {
    // After the current request has been answered, and once for a whole batch.
    if (!planned) setImmediate(pump)
    planned = true
  })
}
