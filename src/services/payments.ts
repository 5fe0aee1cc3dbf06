import type { Env } from '../env.ts'
import { PermanentError, RetryLaterError } from '../errors.ts'
import type { Payments } from '../workflows/ports.ts'
import { idempotencyKeys, type Scope } from './idempotency-keys.ts'
import { cardDeclined, given, paymentsApi, unexpectedState, type Intent } from './payments-api.ts'

/** Makes the payments of one step. */
export type CreatePayments = (scope: Scope) => Payments

type Api = ReturnType<typeof paymentsApi>

/** A bank that has not decided yet is asked again after so long. */
const undecidedSeconds = 60

/** Payments over Stripe's API, or null when PAYMENTS_API_KEY is not set. */
export function createPayments(env: Env): CreatePayments | null {
  const { PAYMENTS_URL: url, PAYMENTS_API_KEY: apiKey } = env
  if (apiKey === undefined) return null
  return ({ key, signal }) => {
    const api = paymentsApi({ url, apiKey, signal })
    const nextKey = idempotencyKeys(key)
    return {
      async prepare({ amount, currency, customer, paymentMethod, description }) {
        const form = {
          amount: String(amount),
          currency: currency.toLowerCase(),
          customer,
          payment_method: paymentMethod,
          // Cards answer at once, and need no page to return to.
          'payment_method_types[0]': 'card',
          description,
          confirm: 'false',
        }
        const { id } = given(await api.create(form, nextKey()))
        return { paymentId: id }
      },
      charge: (paymentId) => charge(api, paymentId, nextKey()),
      undo: (paymentId) => undo(api, paymentId, nextKey()),
    }
  }
}

/** The state is asked first: after a day, the key alone would not know that the payment was charged. */
async function charge(api: Api, id: string, key: string): Promise<{ paymentId: string }> {
  const before = await api.read(id)
  if (before.latest_charge?.refunded === true) throw notChargeable('refunded')
  if (before.status !== 'requires_confirmation') return charged(before)
  const confirmed = await api.confirm(id, key)
  // Somebody else was faster.
  if ('error' in confirmed && confirmed.code === unexpectedState) return charged(await api.read(id))
  return charged(given(confirmed))
}

/** @throws an error for a payment that is not charged, by what may become of it. */
function charged(intent: Intent): { paymentId: string } {
  const { id, status, last_payment_error: error } = intent
  switch (status) {
    case 'succeeded':
      return { paymentId: id }
    case 'requires_payment_method':
      throw cardDeclined([error?.code, error?.decline_code])
    case 'requires_action':
      throw cardDeclined(['authentication_required'])
    case 'processing':
      throw undecided()
    case 'requires_confirmation':
      throw new Error('the payment was not charged')
    case 'requires_capture':
    case 'canceled':
      throw notChargeable(status)
  }
}

async function undo(api: Api, id: string, key: string): ReturnType<Payments['undo']> {
  const before = await api.read(id)
  const settled = await undoSettled(api, before, key)
  if (settled !== null) return settled
  // Stripe takes a key for one kind of request only.
  const canceled = await api.cancel(id, `${key}:cancel`)
  if ('value' in canceled) return { did: 'canceled' }
  if (canceled.code !== unexpectedState) throw canceled.error
  // It was charged or canceled meanwhile.
  const undone = await undoSettled(api, await api.read(id), key)
  if (undone === null) throw new Error('the payment could not be canceled')
  return undone
}

/** Undoes a payment that is charged, canceled or with the bank; null: it has done nothing yet. */
async function undoSettled(
  api: Api,
  { id, status, latest_charge: latest }: Awaited<ReturnType<Api['read']>>,
  key: string,
): Promise<Awaited<ReturnType<Payments['undo']>> | null> {
  if (status === 'processing') throw undecided()
  if (status === 'canceled' || latest?.refunded === true) return { did: 'nothing' }
  if (status !== 'succeeded') return null
  const refunded = await api.refund(id, key)
  if ('error' in refunded && refunded.code === 'charge_already_refunded') return { did: 'nothing' }
  const refund = given(refunded)
  if (refund.status === 'failed' || refund.status === 'canceled') {
    throw Object.assign(new PermanentError(`the refund was refused (${refund.status})`), {
      name: 'RefundFailed',
    })
  }
  return { did: 'refunded' }
}

const notChargeable = (state: string) => new PermanentError(`the payment cannot be charged (${state})`)

const undecided = () =>
  new RetryLaterError('the bank has not decided on the payment yet', undecidedSeconds, {
    slows: false,
    underWay: true,
  })
