import type { Message, Outcome } from './message.ts'

/** A message that is not tried any more. */
export type DeadLetter = {
  dlqId: string
  message: Message
  outcome: Outcome
  createdAt: number
  sequence: number
}

/** The dead letter queue, in order of arrival. */
export class DeadLetters {
  readonly #letters = new Map<string, DeadLetter>()
  #sequence = 0

  add(letter: Omit<DeadLetter, 'sequence'>): void {
    this.#letters.set(letter.dlqId, { ...letter, sequence: this.#sequence++ })
  }

  get(dlqId: string): DeadLetter | undefined {
    return this.#letters.get(dlqId)
  }

  delete(dlqId: string): boolean {
    return this.#letters.delete(dlqId)
  }

  list(): DeadLetter[] {
    return [...this.#letters.values()]
  }

  clear(): void {
    this.#letters.clear()
  }
}
