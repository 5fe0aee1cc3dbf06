/**
 * Choices that depend on a row's number and on what is chosen, and on nothing else: the same row is always the same,
 * however many there are.
 */

/** A number from 0 to `below - 1`. */
export function numberFor(purpose: string, row: number, below: number): number {
  // FNV-1a, then murmur's finalizer: neighbouring rows differ by one digit and must not look alike.
  let hash = 0x811c9dc5
  for (const char of `${purpose}:${row}`) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) % below
}

/** True for about `percent` of the rows. */
export const happens = (purpose: string, row: number, percent: number): boolean =>
  numberFor(purpose, row, 100) < percent

/** One element. */
export const oneOf = <T>(list: readonly [T, ...T[]], purpose: string, row: number): T =>
  list[numberFor(purpose, row, list.length)] ?? list[0]

/** `count` different neighbours of a list, or all of it. */
export function someOf<T>(list: readonly T[], count: number, purpose: string, row: number): T[] {
  const start = numberFor(purpose, row, list.length)
  return [...list.slice(start), ...list.slice(0, start)].slice(0, count)
}

/** Fills in `{name}` everywhere. */
export const fill = (template: string, values: Record<string, string>): string =>
  template.replaceAll(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole)
