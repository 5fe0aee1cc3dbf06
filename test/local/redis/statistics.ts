import type { MiddlewareHandler } from 'hono'
import type { Command } from './backend.ts'

/** What a local Redis counted since it started or was reset. */
export type RedisStats = {
  requests: number
  /** A pipeline of three counts three. */
  commands: number
  /** Commands by name, in capitals. */
  byName: Record<string, number>
}

/** Counts requests and commands. */
export class Statistics {
  #stats: RedisStats = { requests: 0, commands: 0, byName: {} }

  readonly middleware: MiddlewareHandler = async (_c, next) => {
    this.#stats.requests += 1
    await next()
  }

  add(commands: Command[]): void {
    this.#stats.commands += commands.length
    for (const [name] of commands) this.#stats.byName[name] = (this.#stats.byName[name] ?? 0) + 1
  }

  read(): RedisStats {
    return structuredClone(this.#stats)
  }

  clear(): void {
    this.#stats = { requests: 0, commands: 0, byName: {} }
  }
}
