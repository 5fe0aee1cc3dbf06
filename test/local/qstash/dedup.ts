import type { Clock } from './clock.ts'

/** The deduplication ids that are taken, each for one window. */
export class Dedup {
  readonly #clock: Clock
  readonly #windowMs: number
  readonly #taken = new Map<string, { messageId: string; until: number }>()

  constructor(clock: Clock, windowMs: number) {
    this.#clock = clock
    this.#windowMs = windowMs
  }

  /** The message that holds the id. */
  find(id: string): string | undefined {
    const entry = this.#taken.get(id)
    return entry && this.#clock.ticks() < entry.until ? entry.messageId : undefined
  }

  take(id: string, messageId: string): void {
    this.#taken.delete(id)
    this.#taken.set(id, { messageId, until: this.#clock.after(this.#windowMs) })
    // Insertion order is order of expiry, so the expired ids are at the front.
    for (const [oldest, { until }] of this.#taken) {
      if (this.#clock.ticks() < until) break
      this.#taken.delete(oldest)
    }
  }

  clear(): void {
    this.#taken.clear()
  }
}
