import { Receiver } from '@upstash/qstash'
import type { MiddlewareHandler } from 'hono'
import { describeError, HttpError } from '../../errors.ts'
import type { AppEnv } from '../app-env.ts'

/**
 * Lets nothing in that QStash did not sign with one of the two keys, for this very URL and body.
 *
 * The body is read here and handed on as text, so that it is read once.
 */
export const verifySignature: MiddlewareHandler<AppEnv> = async (c, next) => {
  const { env } = c.var.services
  const { pathname, search } = new URL(c.req.url)
  const signature = c.req.header('upstash-signature')
  if (signature === undefined) throw unauthorized(pathname, 'it has no signature')
  const body = await c.req.text()
  const receiver = new Receiver({
    currentSigningKey: env.QSTASH_CURRENT_SIGNING_KEY,
    nextSigningKey: env.QSTASH_NEXT_SIGNING_KEY,
  })
  try {
    await receiver.verify({ signature, body, url: env.APP_URL + pathname + search })
  } catch (error) {
    throw unauthorized(pathname, describeError(error).message)
  }
  c.req.raw = new Request(c.req.raw, { method: c.req.raw.method, body })
  await next()
}

/** Logged, because a wrong key or APP_URL shows nowhere else: QStash's reports of it are refused as well. */
function unauthorized(path: string, reason: string): HttpError {
  console.error(`[signature] refused ${JSON.stringify({ path, reason })}`)
  return new HttpError(401, 'unauthorized', `not signed by QStash for this URL and body: ${reason}`)
}
