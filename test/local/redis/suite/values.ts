import { describe, expect, it, vi } from 'vitest'
import type { Context } from './context.ts'

/** Values, their expiry, and the types other than strings. */
export function valuesSuite(t: Context): void {
  describe('values', () => {
    const values = [
      ['text', 'hello'],
      ['the word OK', 'OK'],
      ['an empty text', ''],
      ['unicode', 'naïve 日本語 👩‍👩‍👧 \u2028'],
      ['control characters', '\u0000\u0001\r\n\t\u007f'],
      ['a number', 42],
      ['a boolean', true],
      ['an object', { list: [1, null, 'ü'], nested: { emoji: '🚀' } }],
      ['an array', ['a', 1, { b: 2 }]],
      ['text that is not quite JSON', '{"a":'],
      ['text that is valid base64', 'T0s='],
    ] as const
    it.each(values)('come back as they were set: %s', async (_kind, value) => {
      expect(await t.redis.set(t.key('v'), value)).toBe('OK')
      expect(await t.redis.get(t.key('v'))).toEqual(value)
      expect(await t.client({ responseEncoding: false }).get(t.key('v'))).toEqual(value)
    })

    it('may be a megabyte', async () => {
      const long = '🙂ab'.repeat(250_000)
      await t.redis.set(t.key('long'), long)
      expect(await t.redis.get(t.key('long'))).toBe(long)
    })

    it('are null when there is no such key', async () => {
      expect(await t.redis.get(t.key('none'))).toBeNull()
      expect(await t.redis.hgetall(t.key('none'))).toBeNull()
      expect(await t.redis.ttl(t.key('none'))).toBe(-2)
    })

    it('can be read, counted and deleted in groups', async () => {
      await t.redis.mset({ [t.key('a')]: 'OK', [t.key('b')]: { n: 1 } })
      expect(await t.redis.mget(t.key('a'), t.key('b'), t.key('c'))).toEqual(['OK', { n: 1 }, null])
      expect(await t.redis.exists(t.key('a'), t.key('b'), t.key('c'))).toBe(2)
      expect(await t.redis.del(t.key('a'), t.key('c'))).toBe(1)
      expect(await t.redis.get(t.key('a'))).toBeNull()
    })

    it('count up and down', async () => {
      expect(await t.redis.incr(t.key('n'))).toBe(1)
      expect(await t.redis.incrby(t.key('n'), 10)).toBe(11)
      expect(await t.redis.decr(t.key('n'))).toBe(10)
    })
  })

  describe('setting', () => {
    it('only when there is no value, or only when there is one', async () => {
      expect(await t.redis.set(t.key('x'), 'a', { xx: true })).toBeNull()
      expect(await t.redis.set(t.key('x'), 'a', { nx: true })).toBe('OK')
      expect(await t.redis.set(t.key('x'), 'b', { nx: true })).toBeNull()
      expect(await t.redis.set(t.key('x'), 'c', { xx: true, get: true })).toBe('a')
      expect(await t.redis.get(t.key('x'))).toBe('c')
    })

    it('with a time to live', async () => {
      await t.redis.set(t.key('x'), 'a', { ex: 100 })
      expect(await t.redis.ttl(t.key('x'))).toBe(100)
      await t.redis.set(t.key('x'), 'b', { keepTtl: true })
      expect(await t.redis.ttl(t.key('x'))).toBe(100)
      await t.redis.set(t.key('x'), 'c')
      expect(await t.redis.ttl(t.key('x'))).toBe(-1)
      await t.redis.setex(t.key('x'), 50, 'd')
      expect(await t.redis.ttl(t.key('x'))).toBe(50)
      expect(await t.redis.expire(t.key('x'), 70)).toBe(1)
      expect(await t.redis.persist(t.key('x'))).toBe(1)
      expect(await t.redis.ttl(t.key('x'))).toBe(-1)
    })

    it('until it expires', async () => {
      await t.redis.set(t.key('short'), 'a', { px: 20 })
      await t.redis.set(t.key('soon'), 'a', { pxat: Date.now() + 20 })
      await vi.waitFor(async () => {
        expect(await t.redis.mget(t.key('short'), t.key('soon'))).toEqual([null, null])
      })
      expect(await t.redis.set(t.key('short'), 'b', { nx: true })).toBe('OK')
    })
  })

  describe('other types', () => {
    it('hashes', async () => {
      expect(await t.redis.hset(t.key('h'), { a: 1, b: 'OK', c: { d: [1] } })).toBe(3)
      expect(await t.redis.hgetall(t.key('h'))).toEqual({ a: 1, b: 'OK', c: { d: [1] } })
      expect(await t.redis.hmget(t.key('h'), 'a', 'z')).toEqual({ a: 1, z: null })
      expect(await t.redis.hincrby(t.key('h'), 'a', 4)).toBe(5)
      expect(await t.redis.hdel(t.key('h'), 'a', 'z')).toBe(1)
    })

    it('lists, sets and sorted sets', async () => {
      await t.redis.rpush(t.key('l'), 'a', 'b')
      await t.redis.lpush(t.key('l'), 'OK')
      expect(await t.redis.lrange(t.key('l'), 0, -1)).toEqual(['OK', 'a', 'b'])
      expect(await t.redis.sadd(t.key('s'), 'x', 'y', 'x')).toBe(2)
      expect((await t.redis.smembers(t.key('s'))).toSorted()).toEqual(['x', 'y'])
      await t.redis.zadd(t.key('z'), { score: 2, member: 'two' }, { score: 1, member: 'one' })
      expect(await t.redis.zrange(t.key('z'), 0, -1, { withScores: true })).toEqual(['one', 1, 'two', 2])
      expect(await t.redis.zrange(t.key('z'), 0, -1, { rev: true })).toEqual(['two', 'one'])
      expect(await t.redis.type(t.key('z'))).toBe('zset')
    })

    it('keys can be found by pattern', async () => {
      await t.redis.mset({ [t.key('user:1')]: 1, [t.key('user:2')]: 2, [t.key('other')]: 3 })
      expect((await t.redis.keys(t.key('user:*'))).toSorted()).toEqual([t.key('user:1'), t.key('user:2')])
    })
  })
}
