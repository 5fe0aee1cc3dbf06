export type Json = string | number | boolean | null | Json[] | { [key: string]: Json }

/** Postgres can hold the value as text or jsonb, which know no NUL and no unpaired surrogate. */
export const isStorable = (value: unknown): boolean =>
  !/(?<!\\)(\\\\)*\\u(0000|d[89a-f])/.test(JSON.stringify(value) ?? '')
