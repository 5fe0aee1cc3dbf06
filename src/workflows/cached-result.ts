import { z } from 'zod'
import type { CacheTools, Json, Result } from './contract.ts'

const envelope = <Data>(data: z.ZodType<Data>) =>
  z.object({
    version: z.string(),
    data,
    model: z.string().nullable(),
    usage: z.object({ inputTokens: z.number(), outputTokens: z.number() }),
    generatedAt: z.iso.datetime(),
    expiresAt: z.iso.datetime().nullable(),
  })

/**
 * Keeps results in the cache under `{prefix}:{id}`, or `{prefix}:{scope}:{id}`, until they expire.
 *
 * `publish` and `cached` are the two fields of a definition that put a result there and read it back.
 */
export function cachedResult<Data extends Json>(prefix: string, data: z.ZodType<Data>) {
  const key = (scope: string, id: string) => (scope === '' ? `${prefix}:${id}` : `${prefix}:${scope}:${id}`)
  const schema = envelope(data)
  return {
    publish: async ({ cache, scope }: CacheTools, id: string, result: Result<Data>): Promise<void> => {
      const ttl =
        result.expiresAt === null ? null : Math.ceil((Date.parse(result.expiresAt) - Date.now()) / 1000)
      if (ttl === null || ttl > 0) await cache.set(key(scope, id), result, ttl)
    },
    cached: async ({ cache, scope }: CacheTools, id: string): Promise<Result<Data> | null> => {
      const parsed = schema.safeParse(await cache.get(key(scope, id)))
      if (!parsed.success) return null
      const { expiresAt } = parsed.data
      return expiresAt === null || Date.parse(expiresAt) > Date.now() ? parsed.data : null
    },
  }
}
