import { Hono } from 'hono'
import { localRoutes } from '../local-routes.ts'
import { listen, type LocalServer } from '../server.ts'
import { Outbox, type SentMail } from './outbox.ts'
import { renderError, ResendError } from './resend-error.ts'

/** A local service that speaks the part of the Resend API that sends mail. */
export type LocalMail = LocalServer & {
  apiKey: string
  /** The mails that went out, in order. */
  sent(): SentMail[]
  /** Clears faults, keys, counts and the mails that were kept. */
  reset(): void
}

/**
 * Starts a local mail service: it keeps what it sends.
 *
 * `POST /local/faults` takes rules that make it fail (the subject of a request is its recipients and subject line),
 * `GET /local/sent` returns the mails that went out.
 *
 * @param options.port TCP port; a free one when absent.
 * @param options.apiKey the bearer token that clients must send.
 */
export async function startMail(options: { port?: number; apiKey?: string } = {}): Promise<LocalMail> {
  const apiKey = options.apiKey ?? 're_rounds_local'
  const outbox = new Outbox()
  const app = new Hono()
    .route('/local', localRoutes(outbox))
    .get('/local/sent', (c) => c.json(outbox.sent()))
    .use(outbox.count.middleware, outbox.faultSwitch.middleware)
    .use('/emails/*', async (c, next) => {
      if (c.req.header('authorization') === `Bearer ${apiKey}`) return next()
      throw new ResendError(401, 'validation_error', 'API key is invalid')
    })
    .post('/emails', async (c) => {
      const { status, body, headers } = await outbox.take(await c.req.text(), c.req.header('idempotency-key'))
      return Response.json(body, { status, headers: headers ?? {} })
    })
    .notFound(() => renderError(new ResendError(404, 'not_found', 'The requested endpoint does not exist.')))
    .onError(renderError)
  const server = await listen(app, options)
  return { ...server, apiKey, sent: () => outbox.sent(), reset: () => outbox.reset() }
}
