import { z } from 'zod'
import { PermanentError } from '../errors.ts'
import { ask, inBrackets, notUnderstood, refusal, type Answer } from './ask.ts'

const service = { message: 'the payment service', error: 'Payment' }

/** The shapes below are those of this version. */
const apiVersion = '2025-11-17.clover'

/** Server errors that Stripe may have stored under the keys of one call. */
const maxTurns = 8

const intentSchema = z.object({
  id: z.string().regex(/^\w+$/),
  status: z.enum([
    'requires_payment_method',
    'requires_confirmation',
    'requires_action',
    'requires_capture',
    'processing',
    'canceled',
    'succeeded',
  ]),
  last_payment_error: z.object({ code: z.string().nullish(), decline_code: z.string().nullish() }).nullish(),
})
const chargedIntentSchema = intentSchema.extend({
  latest_charge: z.object({ refunded: z.boolean() }).nullish(),
})
const refundSchema = z.object({ status: z.string().nullish() })
const errorSchema = z.object({
  error: z.object({ type: z.string(), code: z.string().nullish(), decline_code: z.string().nullish() }),
})

export type Intent = z.output<typeof intentSchema>

/** A request that was refused is an outcome here: what it means depends on the payment's state. */
type Outcome<T> = { value: T } | { code: string | undefined; error: Error }

/** What Stripe calls a request that does not fit the payment's state. */
export const unexpectedState = 'payment_intent_unexpected_state'

/** The part of Stripe's API that payments are made of. */
export function paymentsApi({ url, apiKey, signal }: { url: string; apiKey: string; signal: AbortSignal }) {
  const headers = { authorization: `Bearer ${apiKey}`, 'stripe-version': apiVersion }

  const post = async <T>(path: string, form: Record<string, string>, key: string, schema: z.ZodType<T>) => {
    for (let turn = 1; ; turn += 1) {
      const answer = await ask(service, {
        url: `${url}/v1/${path}`,
        method: 'POST',
        headers: {
          ...headers,
          'content-type': 'application/x-www-form-urlencoded',
          'idempotency-key': turn === 1 ? key : `${key}.${turn}`,
        },
        body: new URLSearchParams(form).toString(),
        signal,
      })
      if (!isOutdated(answer) || turn === maxTurns) return outcome(answer, schema)
    }
  }

  return {
    /** The payment as it is, with `latest_charge`. */
    async read(id: string): Promise<z.output<typeof chargedIntentSchema>> {
      const path = `${pathOf(id)}?expand[]=latest_charge`
      const answer = await ask(service, { url: `${url}/v1/${path}`, method: 'GET', headers, signal })
      return given(outcome(answer, chargedIntentSchema))
    },
    create: (form: Record<string, string>, key: string) => post('payment_intents', form, key, intentSchema),
    confirm: (id: string, key: string) =>
      post(`${pathOf(id)}/confirm`, { off_session: 'true' }, key, intentSchema),
    cancel: (id: string, key: string) => post(`${pathOf(id)}/cancel`, {}, key, intentSchema),
    refund: (id: string, key: string) => post('refunds', { payment_intent: id }, key, refundSchema),
  }
}

/** What a request came to. @throws the error of one that was refused. */
export function given<T>(outcome: Outcome<T>): T {
  if ('error' in outcome) throw outcome.error
  return outcome.value
}

/** The error for a card that does not pay; none of its codes says whose it is. */
export const cardDeclined = (codes: readonly (string | null | undefined)[]) =>
  Object.assign(new PermanentError(`the card was declined${inBrackets(codes)}`), { name: 'CardDeclined' })

/**
 * Stripe answers a key that it knows with what it stored, also for a server error and for a state that has passed.
 * Asking under another key is then the only way on, and safe: whoever charges, cancels or refunds has read the payment's
 * state just before, Stripe does each only once to a payment under any key, and one prepared too many charges nothing.
 */
function isOutdated({ ok, status, headers, body }: Answer): boolean {
  if (ok || headers.get('idempotent-replayed') !== 'true') return false
  return status >= 500 || errorSchema.safeParse(body).data?.error.code === unexpectedState
}

function outcome<T>(answer: Answer, schema: z.ZodType<T>): Outcome<T> {
  if (answer.ok) {
    const parsed = schema.safeParse(answer.body)
    return parsed.success ? { value: parsed.data } : { code: undefined, error: notUnderstood(service) }
  }
  const { type, code, decline_code: declineCode } = errorSchema.safeParse(answer.body).data?.error ?? {}
  const declined = answer.status === 402 && type === 'card_error'
  return {
    code: code ?? undefined,
    error: declined ? cardDeclined([code, declineCode]) : refusal(service, answer, [type, code]),
  }
}

/** @throws PermanentError for an id that would ask for something else than a payment. */
function pathOf(id: string): string {
  if (!/^\w+$/.test(id)) throw new PermanentError('a payment has no such id')
  return `payment_intents/${id}`
}
