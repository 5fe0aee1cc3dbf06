/** An answer other than 200, in the shape of the OpenAI API. */
export class OpenAIError extends Error {
  override readonly name = 'OpenAIError'
  readonly status: number
  readonly code: string | null
  readonly headers: Record<string, string>

  constructor(
    status: number,
    message: string,
    code: string | null = null,
    headers: Record<string, string> = {},
  ) {
    super(message)
    this.status = status
    this.code = code
    this.headers = headers
  }
}

/** Renders any error as OpenAI does. */
export function renderError(error: unknown): Response {
  const known = error instanceof OpenAIError ? error : new OpenAIError(500, String(error))
  const { status, message, code, headers } = known
  const type = typeOf(status)
  return Response.json({ error: { message, type, param: null, code } }, { status, headers })
}

function typeOf(status: number): string {
  if (status === 429) return 'rate_limit_error'
  return status < 500 ? 'invalid_request_error' : 'server_error'
}
