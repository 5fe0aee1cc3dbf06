import type { CreateRequest } from './requests.ts'

type Status =
  'requires_payment_method' | 'requires_confirmation' | 'requires_action' | 'canceled' | 'succeeded'

/** What happened to a payment. */
type Event = {
  did: 'created' | 'charged' | 'declined' | 'refunded' | 'canceled'
  /** The idempotency key of the request. */
  key: string | null
  /** ISO 8601. */
  at: string
}

type LastError = { type: 'card_error'; code: string; decline_code: string; message: string }

/** A payment as the service knows it; amounts are in the currency's minor unit. */
export type Payment = {
  id: string
  amount: number
  currency: string
  customer: string | null
  description: string | null
  /** As it was given; what is left of it after a decline is nothing. */
  paymentMethod: string | null
  /** Cards only: else the customer may have to be sent to another page. */
  cardsOnly: boolean
  status: Status
  chargeId: string | null
  refunded: boolean
  lastError: LastError | null
  created: number
  history: Event[]
}

export function newPayment(id: string, request: CreateRequest): Payment {
  const {
    amount,
    currency,
    customer = null,
    description = null,
    payment_method: paymentMethod = null,
  } = request
  return {
    id,
    amount,
    currency,
    customer,
    description,
    paymentMethod,
    cardsOnly:
      request['payment_method_types[0]'] === 'card' ||
      request['automatic_payment_methods[allow_redirects]'] === 'never',
    status: paymentMethod === null ? 'requires_payment_method' : 'requires_confirmation',
    chargeId: null,
    refunded: false,
    lastError: null,
    created: Math.floor(Date.now() / 1000),
    history: [],
  }
}

/** The payment as the API shows it. */
export function intentOf(payment: Payment, expandCharge = false) {
  const { id, amount, currency, customer, description, status, chargeId, refunded, created } = payment
  const received = status === 'succeeded' ? amount : 0
  const charge = {
    id: chargeId,
    object: 'charge',
    amount,
    amount_refunded: refunded ? amount : 0,
    paid: status === 'succeeded',
    refunded,
    status: status === 'succeeded' ? 'succeeded' : 'failed',
  }
  return {
    id,
    object: 'payment_intent',
    amount,
    amount_received: received,
    currency,
    customer,
    description,
    payment_method: payment.paymentMethod,
    status,
    latest_charge: expandCharge && chargeId !== null ? charge : chargeId,
    last_payment_error: payment.lastError,
    livemode: false,
    created,
  }
}

/** The payment as a test sees it. */
export function shown({ id, customer, amount, currency, description, status, refunded, history }: Payment) {
  const state = refunded ? 'refunded' : stateOf(status)
  return { id, customer, amount, currency, description, state, history: history.slice() }
}

function stateOf(status: Status): 'created' | 'charged' | 'declined' | 'canceled' {
  if (status === 'succeeded') return 'charged'
  if (status === 'canceled') return 'canceled'
  return status === 'requires_confirmation' ? 'created' : 'declined'
}
