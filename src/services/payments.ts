import { z } from 'zod'
import type { Env } from '../env.ts'
import type { Payments } from '../workflows/contract.ts'
import { ask, errorOf, isRefused, keysOf, type Refusal, type ServiceScope } from './http.ts'

const intent = z.object({ id: z.string(), status: z.string() })
type Intent = z.output<typeof intent>
const refund = z.object({ id: z.string() })
const problem = z.object({
  error: z.object({ type: z.string(), code: z.string().optional(), decline_code: z.string().optional() }),
})

export type CreatePayments = (scope: ServiceScope) => Payments

/** Its answers are of this version, whatever the account's own is. */
const version = '2024-06-20'

/** Payments through Stripe's HTTP API, https://docs.stripe.com/api/payment_intents. Null: they are not configured. */
export function createPayments({ PAYMENTS_URL, PAYMENTS_API_KEY }: Env): CreatePayments | null {
  if (PAYMENTS_API_KEY === undefined) return null
  const headers = { authorization: `Bearer ${PAYMENTS_API_KEY}`, 'stripe-version': version }

  return (scope) => {
    const nextKey = keysOf(scope)
    const { signal } = scope
    const post = <Schema extends z.ZodType>(schema: Schema, path: string, form: Record<string, string>) =>
      ask(schema, 'the payment service', `${PAYMENTS_URL}/v1/${path}`, {
        method: 'POST',
        headers: { ...headers, 'idempotency-key': nextKey() },
        body: new URLSearchParams(form),
        signal,
      })
    const read = async (paymentId: string): Promise<Intent> => {
      const path = `${PAYMENTS_URL}/v1/payment_intents/${encodeURIComponent(paymentId)}`
      const answer = await ask(intent, 'the payment service', path, { headers, signal })
      return accepted(answer)
    }

    return {
      async prepare({ amount, currency, customer, paymentMethod, description }) {
        const answer = await post(intent, 'payment_intents', {
          amount: String(amount),
          currency,
          customer,
          payment_method: paymentMethod,
          'payment_method_types[0]': 'card',
          description,
        })
        return { paymentId: accepted(answer).id }
      },

      async charge(paymentId) {
        const path = `payment_intents/${encodeURIComponent(paymentId)}/confirm`
        const answer = await post(intent, path, { off_session: 'true' })
        const isCharged = isRefused(answer) && codeOf(answer.refused) === 'payment_intent_unexpected_state'
        const { status } = isCharged ? await read(paymentId) : accepted(answer)
        if (status === 'succeeded') return { paymentId }
        throw new Error(`the payment is ${status}`)
      },

      async undo(paymentId) {
        const { status } = await read(paymentId)
        if (status === 'canceled') return { did: 'nothing' }
        if (status === 'processing') throw new Error('the payment is still being processed')
        if (status !== 'succeeded') {
          accepted(await post(intent, `payment_intents/${encodeURIComponent(paymentId)}/cancel`, {}))
          return { did: 'canceled' }
        }
        const answer = await post(refund, 'refunds', { payment_intent: paymentId })
        if (isRefused(answer) && codeOf(answer.refused) === 'charge_already_refunded')
          return { did: 'nothing' }
        accepted(answer)
        return { did: 'refunded' }
      },
    }
  }
}

const codeOf = ({ body }: Refusal) => problem.safeParse(body).data?.error.code

/** @throws PermanentError when the card is declined or the request is wrong; any other error may be gone the next time. */
function accepted<Answer extends object>(answer: Answer | { refused: Refusal }): Answer {
  if (!isRefused(answer)) return answer
  const { refused } = answer
  const { status } = refused
  const said = problem.safeParse(refused.body).data?.error
  const why = [said?.type, said?.code, said?.decline_code].filter((part) => part !== undefined).join(', ')
  const message = `the payment service answered ${status}: ${why === '' ? 'no reason given' : why}`
  const isDeclined = said?.type === 'card_error'
  const permanent = isDeclined || [400, 404, 422].includes(status)
  throw errorOf(refused, message, { name: isDeclined ? 'CardDeclined' : `Payment${status}`, permanent })
}
