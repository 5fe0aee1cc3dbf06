import { Redis } from '@upstash/redis'
import { randomUUID } from 'node:crypto'
import type { LocalRedis } from '../start.ts'

/** What the tests of one backend share: the service, and the real client connected to it. */
export class Context {
  local!: LocalRedis
  redis!: Redis
  /** Every key of the suite begins with this: the server may hold other things. */
  readonly prefix = `suite-${randomUUID().slice(0, 8)}:`

  connect(local: LocalRedis): void {
    this.local = local
    this.redis = this.client()
  }

  client(options: { token?: string; responseEncoding?: false; enableAutoPipelining?: boolean } = {}): Redis {
    const { token = this.local.token, ...rest } = options
    return new Redis({ url: this.local.url, token, retry: false, ...rest })
  }

  key(name: string): string {
    return this.prefix + name
  }

  /** A request without the client. */
  async fetch(path: string, init: RequestInit = {}): Promise<{ status: number; body: unknown }> {
    const headers = {
      authorization: `Bearer ${this.local.token}`,
      ...Object.fromEntries(new Headers(init.headers)),
    }
    const response = await fetch(this.local.url + path, { ...init, headers })
    return { status: response.status, body: await response.json() }
  }

  setFaults(faults: object): Promise<{ status: number; body: unknown }> {
    return this.fetch('/local/faults', { method: 'POST', body: JSON.stringify(faults) })
  }

  async deleteKeys(): Promise<void> {
    const keys = await this.redis.keys(`${this.prefix}*`)
    if (keys.length > 0) await this.redis.del(...keys)
  }
}
