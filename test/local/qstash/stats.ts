/** Largest bodies, in bytes. */
export type Largest = { delivered: number; published: number }

/** What has happened since the last reset. */
export type QstashStats = {
  deliveries: number
  deliveriesByUrl: Record<string, number>
  deliveriesByLabel: Record<string, number>
  requests: number
  requestsByRoute: Record<string, number>
  largest: Largest
  largestByUrl: Record<string, Largest>
  /** Most deliveries in flight at once, for each flow-control key. */
  peakByFlow: Record<string, number>
}

const increment = (counts: Map<string, number>, key: string) => counts.set(key, (counts.get(key) ?? 0) + 1)

/** Counts deliveries, requests and sizes. */
export class Stats {
  #deliveries = 0
  #requests = 0
  readonly #byUrl = new Map<string, number>()
  readonly #byLabel = new Map<string, number>()
  readonly #byRoute = new Map<string, number>()
  readonly #largest: Largest = { delivered: 0, published: 0 }
  readonly #largestByUrl = new Map<string, Largest>()

  request(route: string): void {
    this.#requests++
    increment(this.#byRoute, route)
  }

  published(url: string, bytes: number): void {
    this.#grow(url, 'published', bytes)
  }

  delivered(url: string, labels: readonly string[], bytes: number): void {
    this.#deliveries++
    increment(this.#byUrl, url)
    for (const label of labels) increment(this.#byLabel, label)
    this.#grow(url, 'delivered', bytes)
  }

  snapshot(peakByFlow: Record<string, number>): QstashStats {
    return {
      deliveries: this.#deliveries,
      deliveriesByUrl: Object.fromEntries(this.#byUrl),
      deliveriesByLabel: Object.fromEntries(this.#byLabel),
      requests: this.#requests,
      requestsByRoute: Object.fromEntries(this.#byRoute),
      largest: { ...this.#largest },
      largestByUrl: Object.fromEntries(
        [...this.#largestByUrl].map(([url, largest]) => [url, { ...largest }]),
      ),
      peakByFlow,
    }
  }

  clear(): void {
    this.#deliveries = this.#requests = 0
    this.#largest.delivered = this.#largest.published = 0
    for (const counts of [this.#byUrl, this.#byLabel, this.#byRoute, this.#largestByUrl]) counts.clear()
  }

  #grow(url: string, side: keyof Largest, bytes: number): void {
    let largest = this.#largestByUrl.get(url)
    if (!largest) this.#largestByUrl.set(url, (largest = { delivered: 0, published: 0 }))
    largest[side] = Math.max(largest[side], bytes)
    this.#largest[side] = Math.max(this.#largest[side], bytes)
  }
}
