/** What a local Neon counted since it started or was reset. */
export type NeonStats = {
  requests: number
  /** SQL statements received; those of a transaction count one each. */
  statements: number
  /** The most requests that were under way at once, those that waited for a connection included. */
  maxInFlight: number
}

/** Counts requests and statements. */
export class Statistics {
  #inFlight = 0
  #stats: NeonStats = { requests: 0, statements: 0, maxInFlight: 0 }

  async track<T>(work: () => Promise<T>): Promise<T> {
    this.#inFlight += 1
    this.#stats.requests += 1
    this.#stats.maxInFlight = Math.max(this.#stats.maxInFlight, this.#inFlight)
    try {
      return await work()
    } finally {
      this.#inFlight -= 1
    }
  }

  add(statements: number): void {
    this.#stats.statements += statements
  }

  read(): NeonStats {
    return { ...this.#stats }
  }

  clear(): void {
    this.#stats = { requests: 0, statements: 0, maxInFlight: 0 }
  }
}
