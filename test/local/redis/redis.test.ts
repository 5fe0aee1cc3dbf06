import { Redis } from '@upstash/redis'
import { env } from 'node:process'
import { describe, expect, it } from 'vitest'
import { redisSuite } from './redis-suite.ts'
import { startRedis } from './start.ts'

redisSuite('ioredis-mock', () => startRedis())

const redisUrl = env['LOCAL_REDIS_URL']
if (redisUrl) redisSuite('Redis', () => startRedis({ redisUrl }))

const clientOf = ({ url, token }: { url: string; token: string }) => new Redis({ url, token })

describe('starting a local Redis', () => {
  it('gives each one data and a token of its own', async () => {
    const one = await startRedis()
    const other = await startRedis({ token: 'other' })
    await clientOf(one).set('k', 1)
    expect(await clientOf(other).get('k')).toBeNull()
    await clientOf(other).set('k', 2)
    await other.reset()
    expect(await clientOf(one).get('k')).toBe(1)
    await Promise.all([one.close(), other.close()])
  })

  it('can be emptied', async () => {
    const local = await startRedis()
    await clientOf(local).set('k', 1)
    await fetch(`${local.url}/local/reset`, { method: 'POST' })
    expect(local.stats().commands).toBe(0)
    expect(await clientOf(local).get('k')).toBeNull()
    await local.close()
  })

  it('fails clearly when no Redis answers', async () => {
    const started = startRedis({ redisUrl: 'redis://127.0.0.1:1' })
    await expect(started).rejects.toThrow('no Redis answers at 127.0.0.1:1')
  })
})
