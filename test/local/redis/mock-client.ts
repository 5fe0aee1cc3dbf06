import IORedisMock from 'ioredis-mock'
import { randomUUID } from 'node:crypto'
import type { Command } from './backend.ts'

/** The mock, called as Redis is: it has a method per command and no `call`. */
export type MockClient = {
  has(name: string): boolean
  call(command: Command): Promise<unknown>
  disconnect(): void
}

/** Opens a mock. Mocks share their data when host and port are the same, so each gets a host of its own. */
export function openMockClient(): MockClient {
  const redis = new IORedisMock({ host: randomUUID() })
  return {
    // For commands that it lacks, the mock has methods that throw; those are not enumerable.
    has: (name) => Object.prototype.propertyIsEnumerable.call(redis, name.toLowerCase()),
    call: async ([name, ...args]) => {
      const method: unknown = Reflect.get(redis, name.toLowerCase())
      if (typeof method !== 'function') throw new Error(`ERR ioredis-mock has no ${name}`)
      return Reflect.apply(method, redis, args)
    },
    disconnect: () => redis.disconnect(),
  }
}
