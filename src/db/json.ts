export type Json = string | number | boolean | null | Json[] | { [key: string]: Json }

/**
 * Why a value that somebody sent cannot be taken as it is; undefined: it can.
 *
 * @param what it is.
 */
export function refusalOf(value: unknown, what: string): string | undefined {
  if (isTooDeep(value)) return `${what} is nested more than ${maxDepth} levels deep`
  if (hasProtoField(value)) return `no field of ${what} may be named __proto__`
  if (!isStorable(value)) return `${what} holds a character that cannot be stored`
  return undefined
}

/** Postgres can hold the value as text or jsonb, which know no NUL and no unpaired surrogate. */
export const isStorable = (value: unknown): boolean =>
  !/(?<!\\)(\\\\)*\\u(0000|d[89a-f])/.test(JSON.stringify(value) ?? '')

/** Whatever follows a value, as zod and `JSON.stringify` do, recurses into it. */
const maxDepth = 100

/** The value is nested deeper than `maxDepth`. */
function isTooDeep(value: unknown): boolean {
  let level = [value]
  for (let left = maxDepth; left >= 0 && level.length > 0; left -= 1) {
    level = level.flatMap((inner) =>
      typeof inner === 'object' && inner !== null ? Object.values(inner) : [],
    )
  }
  return level.length > 0
}

/** The value holds a field named `__proto__`, which zod passes over: it would be neither taken nor refused. */
const hasProtoField = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  (Object.hasOwn(value, '__proto__') || Object.values(value).some(hasProtoField))
