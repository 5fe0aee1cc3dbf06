import { randomUUID } from 'node:crypto'
import { intentOf, newPayment, shown, type Payment } from './payment.ts'
import type { CreateRequest } from './requests.ts'
import { missing, StripeError, unexpectedState } from './stripe-error.ts'
import {
  authenticationRequired,
  chargeOf,
  declinedBecause,
  refundStatusOf,
  type Charge,
} from './test-cards.ts'

/** Every payment, and what may become of it. */
export class Books {
  #payments = new Map<string, Payment>()

  list() {
    return [...this.#payments.values()].map((payment) => shown(payment))
  }

  clear(): void {
    this.#payments.clear()
  }

  /** @throws StripeError: 404 when the id is in the path, 400 when it is a parameter. */
  get(id: string, status: 400 | 404 = 404): Payment {
    const payment = this.#payments.get(id)
    if (payment) return payment
    throw missing(status, 'payment_intent', id, status === 404 ? 'intent' : 'payment_intent')
  }

  create(request: CreateRequest, key: string | null) {
    const method = request.payment_method
    if (method !== undefined && chargeOf(method) === undefined) {
      throw missing(400, 'PaymentMethod', method, 'payment_method')
    }
    const payment = newPayment(newId('pi'), request)
    this.#payments.set(payment.id, payment)
    note(payment, 'created', key)
    return intentOf(payment)
  }

  /** @param declined a decline code that the card answers with, whatever card it is. */
  confirm(
    id: string,
    { offSession, declined }: { offSession: boolean; declined: string | undefined },
    key: string | null,
  ) {
    const payment = this.get(id)
    const paymentMethod = confirmable(payment)
    return charge(payment, declined === undefined ? chargeOf(paymentMethod) : declinedBecause(declined), {
      offSession,
      key,
    })
  }

  cancel(id: string, key: string | null) {
    const payment = this.get(id)
    if (payment.status === 'succeeded' || payment.status === 'canceled') {
      throw unexpectedState(
        `You cannot cancel this PaymentIntent because it has a status of ${payment.status}. Only a PaymentIntent with one of the following statuses may be canceled: requires_payment_method, requires_capture, requires_confirmation, requires_action, processing.`,
        intentOf(payment),
      )
    }
    payment.status = 'canceled'
    note(payment, 'canceled', key)
    return intentOf(payment)
  }

  refund(id: string, key: string | null) {
    const payment = this.get(id, 400)
    const { amount, currency, chargeId: charge } = payment
    if (payment.status !== 'succeeded') {
      throw new StripeError(
        400,
        'This PaymentIntent does not have a successful charge to refund.',
        { param: 'payment_intent' },
        true,
      )
    }
    if (payment.refunded) {
      const details = { code: 'charge_already_refunded' }
      throw new StripeError(400, `Charge ${charge} has already been refunded.`, details, true)
    }
    payment.refunded = true
    note(payment, 'refunded', key)
    const status = refundStatusOf(payment.paymentMethod ?? '')
    return { id: newId('re'), object: 'refund', amount, currency, charge, payment_intent: id, status }
  }
}

/** The payment method that is to be charged. @throws StripeError when the payment is in no state for that. */
function confirmable(payment: Payment): string {
  const { status, paymentMethod, cardsOnly } = payment
  const refuse = (reason: string) =>
    unexpectedState(`You cannot confirm this PaymentIntent because ${reason}`, intentOf(payment))
  if (status === 'succeeded') throw refuse('it has already succeeded after being previously confirmed.')
  if (status === 'canceled') throw refuse('it has a status of canceled.')
  if (status === 'requires_payment_method' || paymentMethod === null) {
    throw refuse(
      "it's missing a payment method. Update the PaymentIntent with a payment method and then confirm it again.",
    )
  }
  if (cardsOnly) return paymentMethod
  const message = 'This PaymentIntent accepts payment methods that redirect: it needs a `return_url`.'
  throw new StripeError(400, message, { param: 'return_url' }, true)
}

function charge(
  payment: Payment,
  card: Charge | undefined,
  { offSession, key }: { offSession: boolean; key: string | null },
) {
  if (card === 'needs-authentication' && !offSession) {
    payment.status = 'requires_action'
    return intentOf(payment)
  }
  const decline = card === 'needs-authentication' ? authenticationRequired : card
  payment.chargeId = newId('ch')
  if (decline === 'succeeds') {
    payment.status = 'succeeded'
    note(payment, 'charged', key)
    return intentOf(payment)
  }
  const { code, decline_code, message } = decline ?? declinedBecause('generic_decline')
  payment.status = 'requires_payment_method'
  payment.paymentMethod = null
  payment.lastError = { type: 'card_error', code, decline_code, message }
  note(payment, 'declined', key)
  const details = { type: 'card_error', code, decline_code, payment_intent: intentOf(payment) } as const
  throw new StripeError(402, message, details, true)
}

const note = (payment: Payment, did: Payment['history'][number]['did'], key: string | null) =>
  payment.history.push({ did, key, at: new Date().toISOString() })

const newId = (prefix: string) => `${prefix}_${randomUUID().replaceAll('-', '')}`
