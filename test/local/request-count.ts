import type { MiddlewareHandler } from 'hono'

/** Counts requests, and their answers by status. */
export class RequestCount {
  #requests = 0
  #byStatus: Record<number, number> = {}
  #underWay = 0
  #maxConcurrent = 0

  readonly middleware: MiddlewareHandler = async (c, next) => {
    this.#requests += 1
    this.#underWay += 1
    this.#maxConcurrent = Math.max(this.#maxConcurrent, this.#underWay)
    await next()
    this.#underWay -= 1
    this.#byStatus[c.res.status] = (this.#byStatus[c.res.status] ?? 0) + 1
  }

  read() {
    return { requests: this.#requests, byStatus: { ...this.#byStatus }, maxConcurrent: this.#maxConcurrent }
  }

  clear(): void {
    this.#requests = 0
    this.#byStatus = {}
    this.#maxConcurrent = 0
  }
}
