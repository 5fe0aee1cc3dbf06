import { z } from 'zod'
import { lane } from '../support/lane.ts'

/** Sends one command to the cache, past the Worker. */
export async function redis(...command: (string | number)[]): Promise<unknown> {
  const { UPSTASH_REDIS_REST_URL: url = '', UPSTASH_REDIS_REST_TOKEN: token } = lane.bindings
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify(command),
  })
  return z.object({ result: z.unknown() }).parse(await response.json()).result
}

/** A cache entry as it is stored, or null. */
export async function cacheEntry(key: string): Promise<unknown> {
  const text = z
    .string()
    .nullable()
    .parse(await redis('GET', key))
  return text === null ? null : JSON.parse(text)
}
