import type { Context } from 'hono'
import { parseJson } from './json.ts'
import { Problem } from './problem.ts'

/** The body as text. Unlike `text()`, it keeps a byte order mark. */
export async function bodyText(c: Context): Promise<string> {
  return Buffer.from(await c.req.arrayBuffer()).toString()
}

/** The body as JSON. */
export const bodyJson = async (c: Context): Promise<unknown> => parseJson(await bodyText(c))

/** The body as an object; empty when there is none. */
export async function bodyObject(c: Context): Promise<Record<string, unknown>> {
  const text = await bodyText(c)
  const value = text === '' ? {} : parseJson(text)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  throw new Problem(400, 'the body must be a JSON object')
}

/** The destination that follows a route's prefix in the path, with its query. */
export function destinationOf(c: Context, prefix: string): string {
  const { pathname, search } = new URL(c.req.url)
  const rest = pathname.slice(prefix.length)
  if (!/^https?%3A/i.test(rest)) return rest + search
  try {
    return decodeURIComponent(rest)
  } catch {
    throw new Problem(400, `the destination is not encoded properly: "${rest}"`)
  }
}
