import { Hono, type Context } from 'hono'
import type { Reply } from '../idempotency-keys.ts'
import { localRoutes } from '../local-routes.ts'
import { listen, type LocalServer } from '../server.ts'
import { Counter } from './counter.ts'
import { intentOf, type shown } from './payment.ts'
import { parseCancel, parseConfirm, parseCreate, parseRefund } from './requests.ts'
import { renderError, StripeError } from './stripe-error.ts'

/** A local service that speaks the part of the Stripe API that charges cards, as in test mode. */
export type LocalPayments = LocalServer & {
  apiKey: string
  /** Every payment with its history, in order. */
  payments(): ReturnType<typeof shown>[]
  /** Clears faults, keys, counts and payments. */
  reset(): void
}

/**
 * Starts a local payment service: it keeps the books.
 *
 * `POST /local/faults` takes rules that make it fail (the subject of a request is the payment's customer and
 * description), `GET /local/payments` returns every payment with what happened to it.
 *
 * @param options.port TCP port; a free one when absent.
 * @param options.apiKey the bearer token that clients must send.
 */
export async function startPayments(
  options: { port?: number; apiKey?: string } = {},
): Promise<LocalPayments> {
  const apiKey = options.apiKey ?? 'sk_test_rounds_local'
  const counter = new Counter()
  const { books } = counter
  const app = new Hono()
    .route('/local', localRoutes(counter))
    .get('/local/payments', (c) => c.json(books.list()))
    .use(counter.count.middleware, counter.faultSwitch.middleware)
    .use('/v1/*', async (c, next) => {
      if (c.req.header('authorization') === `Bearer ${apiKey}`) return next()
      throw new StripeError(401, 'Invalid API Key provided.')
    })
    .route('/v1', api(counter))
    .notFound((c) =>
      renderError(new StripeError(404, `Unrecognized request URL (${c.req.method}: ${c.req.path}).`)),
    )
    .onError(renderError)
  const server = await listen(app, options)
  return { ...server, apiKey, payments: () => books.list(), reset: () => counter.reset() }
}

function api(counter: Counter): Hono {
  const { books } = counter
  const change = async (c: Context, of: Omit<Parameters<Counter['change']>[0], 'path' | 'form' | 'key'>) =>
    rendered(
      await counter.change({
        ...of,
        path: c.req.path,
        form: await c.req.text(),
        key: c.req.header('idempotency-key'),
      }),
    )
  const changePayment = (
    c: Context,
    id: string,
    of: Pick<Parameters<Counter['change']>[0], 'operation' | 'act'>,
  ) => change(c, { ...of, about: books.get(id), locked: id })

  return new Hono()
    .post('/payment_intents', async (c) => {
      const request = parseCreate(await c.req.text())
      const { customer = null, description = null } = request
      return await change(c, {
        operation: 'create',
        about: { customer, description },
        locked: null,
        act: (key) => books.create(request, key),
      })
    })
    .get('/payment_intents/:id', async (c) => {
      const expand = c.req.queries('expand[]')?.includes('latest_charge') === true
      return rendered(await counter.look(c.req.param('id'), (payment) => intentOf(payment, expand)))
    })
    .post('/payment_intents/:id/confirm', async (c) => {
      const { off_session: offSession } = parseConfirm(await c.req.text())
      const id = c.req.param('id')
      return await changePayment(c, id, {
        operation: 'confirm',
        act: (key, declined) => books.confirm(id, { offSession, declined }, key),
      })
    })
    .post('/payment_intents/:id/cancel', async (c) => {
      parseCancel(await c.req.text())
      const id = c.req.param('id')
      return await changePayment(c, id, { operation: 'cancel', act: (key) => books.cancel(id, key) })
    })
    .post('/refunds', async (c) => {
      const { payment_intent: id } = parseRefund(await c.req.text())
      return await change(c, {
        operation: 'refund',
        about: books.get(id, 400),
        locked: id,
        act: (key) => books.refund(id, key),
      })
    })
}

const rendered = ({ status, body, headers }: Reply) => Response.json(body, { status, headers: headers ?? {} })
