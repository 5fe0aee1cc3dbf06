import type { Reply } from '../idempotency-keys.ts'

/** What an error of the Stripe API says, besides its message. */
type Details = {
  type?: 'invalid_request_error' | 'card_error' | 'idempotency_error' | 'api_error'
  code?: string
  decline_code?: string
  param?: string
  payment_intent?: object
}

/** An answer other than 200, in the shape of the Stripe API. */
export class StripeError extends Error {
  override readonly name = 'StripeError'
  readonly status: number
  readonly details: Details
  /** Whether the request had begun: then the answer is kept under its idempotency key. */
  readonly kept: boolean

  constructor(status: number, message: string, details: Details = {}, kept = false) {
    super(message)
    this.status = status
    this.details = details
    this.kept = kept
  }

  get reply(): Reply {
    const type = this.details.type ?? (this.status < 500 ? 'invalid_request_error' : 'api_error')
    const body = { error: { ...this.details, message: this.message, type } }
    return { status: this.status, body, kept: this.kept }
  }
}

/** The error that the service has for a status. */
export const errorOfStatus = (status: number): Reply =>
  new StripeError(status, 'The request failed (local fault).', status === 429 ? { code: 'rate_limit' } : {})
    .reply

/** Renders any error as Stripe does. */
export function renderError(error: unknown): Response {
  const { status, body } = (error instanceof StripeError ? error : new StripeError(500, String(error))).reply
  return Response.json(body, { status })
}

/** The service knows nothing by this id. */
export const missing = (status: 400 | 404, what: string, id: string, param: string) =>
  new StripeError(status, `No such ${what}: '${id}'`, { code: 'resource_missing', param })

/** The payment's state does not allow what is asked. */
export const unexpectedState = (message: string, intent: object) =>
  new StripeError(400, message, { code: 'payment_intent_unexpected_state', payment_intent: intent }, true)
