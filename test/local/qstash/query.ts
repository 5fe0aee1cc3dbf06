import type { Context } from 'hono'
import { Problem } from './problem.ts'

/** The values of a query parameter, repeated or separated by commas; undefined when it is absent. */
export function listParam(c: Context, name: string): string[] | undefined {
  const values = c.req.queries(name)?.flatMap((value) => value.split(',').map((part) => part.trim()))
  return values && values.length > 0 ? values : undefined
}

/** A number that is not negative; undefined when it is absent. */
export function numberParam(c: Context, name: string): number | undefined {
  const text = c.req.query(name)
  if (text === undefined || text === '') return undefined
  const value = Number(text)
  if (!(value >= 0 && value < Infinity))
    throw new Problem(400, `${name} must be a number, received "${text}"`)
  return value
}

/** How many to take at most. */
export function countParam(c: Context, fallback: number): number {
  const count = numberParam(c, 'count') ?? fallback
  if (!Number.isInteger(count) || count < 1) {
    throw new Problem(400, `count must be a whole number above 0, received ${count}`)
  }
  return count
}

/**
 * Guards a bulk action: a misspelled filter would select everything, and so would none at all. "All" is asked for by
 * a count alone.
 */
export function requireFilter(c: Context, names: ReadonlySet<string>): void {
  const given = Object.keys(c.req.query())
  const unknown = given.filter((name) => !names.has(name))
  if (unknown.length > 0) throw new Problem(400, `unknown filter "${unknown.join('", "')}"`)
  if (given.length === 0) throw new Problem(400, 'a filter or a count is needed')
}

/** True for any value when there is no list. */
export const isIn = (list: readonly string[] | undefined, value: string | undefined): boolean =>
  list === undefined || (value !== undefined && list.includes(value))

/** One page of a list that is ordered by a falling `sequence`; the cursor is the sequence of its last element. */
export function pageOf<T extends { sequence: number }>(
  items: Iterable<T>,
  page: { cursor: string | undefined; count: number },
  matches: (item: T) => boolean,
): { items: T[]; cursor?: string } {
  const before = page.cursor === undefined || page.cursor === '' ? Infinity : Number(page.cursor)
  if (Number.isNaN(before)) throw new Problem(400, `cursor "${page.cursor}" is not valid`)
  const found: T[] = []
  for (const item of items) {
    if (item.sequence >= before || !matches(item)) continue
    if (found.length === page.count) return { items: found, cursor: String(found.at(-1)?.sequence) }
    found.push(item)
  }
  return { items: found }
}
