import type { Reply } from '../idempotency-keys.ts'

/** An answer other than 200, in the shape of the Resend API. */
export class ResendError extends Error {
  override readonly name = 'ResendError'
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

/** An error's body. */
export const errorBody = (status: number, name: string, message: string) => ({
  statusCode: status,
  name,
  message,
})

/** An error that the service does not remember. */
export const errorReply = (status: number, name: string, message: string): Reply => ({
  status,
  body: errorBody(status, name, message),
  kept: false,
})

/** The error that the service has for a status. */
export const errorOfStatus = (status: number): Reply =>
  errorReply(status, names[status] ?? 'application_error', 'The request failed (local fault).')

const names: Record<number, string> = {
  400: 'validation_error',
  401: 'missing_api_key',
  403: 'validation_error',
  404: 'not_found',
  405: 'method_not_allowed',
  409: 'concurrent_idempotent_requests',
  422: 'validation_error',
  429: 'rate_limit_exceeded',
  500: 'application_error',
  503: 'service_unavailable',
}

/** Renders any error as Resend does. */
export function renderError(error: unknown): Response {
  const known =
    error instanceof ResendError ? error : new ResendError(500, 'application_error', String(error))
  return Response.json(errorBody(known.status, known.code, known.message), { status: known.status })
}
