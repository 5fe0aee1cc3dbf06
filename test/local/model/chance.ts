import { createHash } from 'node:crypto'

/** A short name for a text: the same text always has the same one. */
export const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16)

/** A number from 0 to `below - 1` that depends on the text alone. */
export const numberFrom = (text: string, below: number): number =>
  Number.parseInt(hashOf(text).slice(0, 8), 16) % below

/** Takes the element of a list at a position that may lie past its end: the list is a ring. */
export function ring<T>(list: readonly [T, ...T[]], position: number): T {
  return list[position % list.length] ?? list[0]
}
