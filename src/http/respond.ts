import type { Context, ErrorHandler, NotFoundHandler } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { z } from 'zod'
import { isStorable } from '../db/json.ts'
import { describeError, HttpError, invalid } from '../errors.ts'

const render = (c: Context, { status, code, message, details }: HttpError) =>
  c.json({ error: { code, message, ...(details === undefined ? {} : { details }) } }, status)

/** Every error leaves in one shape: `{ error: { code, message, details? } }`. */
export const onError: ErrorHandler = (error, c) => {
  if (error instanceof HttpError) return render(c, error)
  if (error instanceof HTTPException) return error.getResponse()
  const described = describeError(error)
  console.error(`[http] ${c.req.method} ${c.req.path} failed ${JSON.stringify(described)}`)
  return render(c, new HttpError(503, 'unavailable', 'a service this needs did not answer; try again later'))
}

export const onNotFound: NotFoundHandler = (c) =>
  render(c, new HttpError(404, 'not_found', `${c.req.method} ${c.req.path} does not exist`))

/**
 * Parses input from outside.
 *
 * @throws HttpError 400 with what was expected, field by field.
 */
export function parse<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  if (!isStorable(value)) throw invalid('the request holds a character that cannot be stored')
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const details = parsed.error.issues.map(({ path, message }) => ({ path: path.join('.'), message }))
  throw invalid('the request does not fit', details)
}

/**
 * The request's JSON body; an empty one is `{}`.
 *
 * @throws HttpError 400 when it is not JSON.
 */
export async function jsonBody(c: Context): Promise<unknown> {
  const text = await c.req.text()
  if (text.trim() === '') return {}
  try {
    return JSON.parse(text)
  } catch {
    throw invalid('the body is not JSON')
  }
}
