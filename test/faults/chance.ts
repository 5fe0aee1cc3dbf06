import { createHash } from 'node:crypto'

/**
 * Decides by a seed, and by what is to be decided: the same question gets the same answer, in whatever order questions
 * come. Asked again, a subject is another question.
 */
export class Chance {
  readonly #seed: number
  readonly #asked = new Map<string, number>()

  constructor(seed: number) {
    this.#seed = seed
  }

  /** A number from 0 up to 1. */
  at(subject: string): number {
    const times = (this.#asked.get(subject) ?? 0) + 1
    this.#asked.set(subject, times)
    const hash = createHash('sha256').update(`${this.#seed} ${subject} ${times}`).digest()
    return hash.readUIntBE(0, 6) / 2 ** 48
  }

  happens(subject: string, share: number): boolean {
    return this.at(subject) < share
  }

  /** A whole number, both ends included. */
  between(subject: string, from: number, to: number): number {
    return from + Math.floor(this.at(subject) * (to - from + 1))
  }

  oneOf<T>(subject: string, list: readonly [T, ...T[]]): T {
    return list[Math.floor(this.at(subject) * list.length)] ?? list[0]
  }
}
