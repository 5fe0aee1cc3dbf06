import type { Answer } from './answer.ts'

const KEPT_PROMPTS = 1000

/** What a local model counted since it started or was reset. */
export type ModelStats = {
  requests: number
  /** Requests by the status that they were answered with. */
  byStatus: Record<number, number>
  promptTokens: number
  completionTokens: number
  /** Requests by the hash of their prompt: one that is above 1 was paid for more than once. */
  byPrompt: Record<string, number>
  /** The most requests that were under way at once. */
  maxConcurrent: number
}

/** One of the latest requests, in full. */
export type SeenRequest = { hash: string; prompt: string }

/** Counts requests and keeps the latest prompts; of the others only hashes are kept. */
export class Statistics {
  #stats = noStats()
  #byPrompt = new Map<string, number>()
  #latest: SeenRequest[] = []
  #underWay = 0

  /** Runs a request and counts it, and its answer, when it has ended. */
  async track(work: () => Promise<Response>): Promise<Response> {
    this.#underWay += 1
    this.#stats.requests += 1
    this.#stats.maxConcurrent = Math.max(this.#stats.maxConcurrent, this.#underWay)
    try {
      const response = await work()
      this.#stats.byStatus[response.status] = (this.#stats.byStatus[response.status] ?? 0) + 1
      return response
    } finally {
      this.#underWay -= 1
    }
  }

  addPrompt(hash: string, prompt: string): void {
    this.#byPrompt.set(hash, (this.#byPrompt.get(hash) ?? 0) + 1)
    this.#latest.push({ hash, prompt })
    if (this.#latest.length > KEPT_PROMPTS) this.#latest.shift()
  }

  addUsage(usage: Answer['usage']): void {
    this.#stats.promptTokens += usage.prompt_tokens
    this.#stats.completionTokens += usage.completion_tokens
  }

  read(): ModelStats {
    return { ...structuredClone(this.#stats), byPrompt: Object.fromEntries(this.#byPrompt) }
  }

  latest(): SeenRequest[] {
    return this.#latest.slice()
  }

  clear(): void {
    this.#stats = noStats()
    this.#byPrompt.clear()
    this.#latest = []
  }
}

const noStats = (): Omit<ModelStats, 'byPrompt'> => ({
  requests: 0,
  byStatus: {},
  promptTokens: 0,
  completionTokens: 0,
  maxConcurrent: 0,
})
