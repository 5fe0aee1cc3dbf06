import { Receiver } from '@upstash/qstash'
import type { MiddlewareHandler } from 'hono'
import { describeError, HttpError } from '../../errors.ts'
import type { EngineEnv } from './mount.ts'

/**
 * Lets nothing in that QStash did not sign with one of the two keys, for this very URL and body.
 *
 * The body is read here and handed on as text, so that it is read once.
 */
export const verifySignature: MiddlewareHandler<EngineEnv> = async (c, next) => {
  const { env } = c.var.services
  const { pathname, search } = new URL(c.req.url)
  const body = await c.req.text()
  const signature = c.req.header('upstash-signature') ?? ''
  const receiver = new Receiver({
    currentSigningKey: env.QSTASH_CURRENT_SIGNING_KEY,
    nextSigningKey: env.QSTASH_NEXT_SIGNING_KEY,
  })
  try {
    await receiver.verify({ signature, body, url: env.APP_URL + pathname + search })
  } catch (error) {
    const reason = describeError(error).message
    throw new HttpError(401, 'unauthorized', `not signed by QStash for this URL and body: ${reason}`)
  }
  c.req.raw = new Request(c.req.raw, { method: c.req.raw.method, body })
  await next()
}
