import { Redis } from '@upstash/redis/cloudflare'
import type { Env } from '../env.ts'
import { describeError } from '../errors.ts'
import type { Cache } from '../workflows/contract.ts'

/** A reader waits no longer for what is only a cache. */
const timeoutMs = 2000

/** The cache over Upstash Redis; values are JSON. */
export function createCache(env: Env): Cache {
  const redis = new Redis({
    url: env.UPSTASH_REDIS_REST_URL,
    token: env.UPSTASH_REDIS_REST_TOKEN,
    enableTelemetry: false,
    // A command that waits for those of another request is one that the runtime forbids.
    enableAutoPipelining: false,
    retry: false,
    signal: () => AbortSignal.timeout(timeoutMs),
  })
  return {
    get: (key) => answered(redis.get(key)),
    async set(key, value, ttlSeconds) {
      await answered(ttlSeconds === null ? redis.set(key, value) : redis.set(key, value, { ex: ttlSeconds }))
    },
  }
}

/** Redis's errors repeat the command with its values, which belong in no log. */
async function answered<T>(command: Promise<T>): Promise<T> {
  try {
    return await command
  } catch (error) {
    const [message] = describeError(error).message.split(', command was:')
    // oxlint-disable-next-line preserve-caught-error -- the cause is what must not be passed on
    throw new Error(`the cache did not answer: ${message}`)
  }
}
