import { Redis } from '@upstash/redis/cloudflare'
import type { Env } from '../env.ts'
import type { Cache } from '../workflows/contract.ts'

/** The cache over Upstash Redis; values are JSON. */
export function createCache(env: Env): Cache {
  const redis = new Redis({
    url: env.UPSTASH_REDIS_REST_URL,
    token: env.UPSTASH_REDIS_REST_TOKEN,
    enableTelemetry: false,
    retry: false,
    signal: () => AbortSignal.timeout(5000),
  })
  return {
    get: (key) => redis.get(key),
    async set(key, value, ttlSeconds) {
      await (ttlSeconds === null ? redis.set(key, value) : redis.set(key, value, { ex: ttlSeconds }))
    },
  }
}
