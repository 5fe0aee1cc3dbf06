import type { Context, ErrorHandler, MiddlewareHandler, NotFoundHandler } from 'hono'
import type { z } from 'zod'
import { refusalOf } from '../db/json.ts'
import { conflict, describeError, HttpError, invalid, PermanentError, ServiceError } from '../errors.ts'

const render = (c: Context, { status, code, message, details }: HttpError) =>
  c.json({ error: { code, message, ...(details === undefined ? {} : { details }) } }, status)

/** Every error leaves in one shape: `{ error: { code, message, details? } }`. */
export const onError: ErrorHandler = (error, c) => {
  if (error instanceof HttpError) return render(c, error)
  if (error instanceof PermanentError) return render(c, conflict(error.message))
  const described = describeError(error)
  // As it was sent: decoded, a path may hold what looks like lines of the log.
  const { pathname } = new URL(c.req.url)
  console.error(`[http] ${c.req.method} ${pathname} failed ${JSON.stringify(described)}`)
  const what = error instanceof ServiceError ? error.message : 'a service this needs did not answer'
  return render(c, new HttpError(503, 'unavailable', `${what}; try again later`))
}

export const onNotFound: NotFoundHandler = (c) =>
  render(c, new HttpError(404, 'not_found', `${c.req.method} ${c.req.path} does not exist`))

/** The error for input that a schema refused: what was expected, field by field. */
export const unfit = (error: Pick<z.ZodError, 'issues'>, at: readonly string[] = []): HttpError =>
  invalid(
    'the request does not fit',
    error.issues.map(({ path, message }) => ({ path: [...at, ...path].join('.'), message })),
  )

/**
 * Parses a part of a body, the field `at`.
 *
 * @throws HttpError 400 with what was expected, field by field.
 */
export function parse<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  at: string,
): z.output<Schema> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw unfit(parsed.error, [at])
}

/**
 * Takes every body for JSON, whatever its media type says: `curl -d` says it is a form, and a body that is passed over
 * would start a batch without the options that it names. An empty one is `{}`.
 *
 * @throws HttpError 400 when it is not JSON, is nested too deeply, has a field that no schema sees, or when anything in the
 * request cannot be stored.
 */
export const jsonOnly: MiddlewareHandler = async (c, next) => {
  const { raw } = c.req
  const hasBody = raw.method !== 'GET' && raw.method !== 'HEAD'
  const text = hasBody ? await c.req.text() : ''
  const value = parseJson(text)
  const refusal = refusalOf(value, 'the body') ?? refusalOf([c.req.path, c.req.queries()], 'the address')
  if (refusal !== undefined) throw invalid(refusal)
  if (hasBody) {
    const headers = new Headers(raw.headers)
    headers.set('content-type', 'application/json')
    c.req.raw = new Request(raw.url, {
      method: raw.method,
      headers,
      body: text.trim() === '' ? '{}' : text,
    })
    c.req.bodyCache = {}
  }
  await next()
}

function parseJson(text: string): unknown {
  if (text.trim() === '') return {}
  try {
    return JSON.parse(text)
  } catch {
    throw invalid('the body is not JSON')
  }
}
