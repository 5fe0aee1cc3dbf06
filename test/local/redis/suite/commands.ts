import { describe, expect, it } from 'vitest'
import type { Context } from './context.ts'

const COMPARE_AND_DELETE = `
  if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end
  return 0`

/** Pipelines, transactions, scripts and errors. */
export function commandsSuite(t: Context): void {
  describe('pipelines', () => {
    it('return a result for every command', async () => {
      const pipeline = t.redis
        .pipeline()
        .set(t.key('a'), 'OK')
        .get(t.key('a'))
        .incr(t.key('n'))
        .get(t.key('none'))
      expect(await pipeline.exec()).toEqual(['OK', 'OK', 1, null])
      expect(t.local.stats()).toEqual({ requests: 1, commands: 4, byName: { SET: 1, GET: 2, INCR: 1 } })
    })

    it('go on after a command that fails', async () => {
      await t.redis.set(t.key('text'), 'abc')
      const pipeline = t.redis.pipeline().set(t.key('a'), 1).incr(t.key('text')).get(t.key('a'))
      expect(await pipeline.exec({ keepErrors: true })).toEqual([
        { result: 'OK' },
        { error: 'ERR value is not an integer or out of range' },
        { result: 1 },
      ])
    })

    it('are made of commands that are sent at the same time', async () => {
      await Promise.all(Array.from({ length: 50 }, (_, i) => t.redis.set(t.key(`p${i}`), i)))
      expect(t.local.stats()).toMatchObject({ requests: 1, commands: 50 })
      const plain = t.client({ enableAutoPipelining: false })
      expect(await plain.get(t.key('p49'))).toBe(49)
    })
  })

  describe('transactions', () => {
    it('run all commands', async () => {
      const transaction = t.redis.multi().set(t.key('n'), 1).incrby(t.key('n'), 5).get(t.key('n'))
      expect(await transaction.exec()).toEqual(['OK', 6, 6])
    })

    it('run alone', async () => {
      const counts = await Promise.all(
        Array.from({ length: 20 }, () =>
          t.redis.multi().incr(t.key('n')).incr(t.key('n')).exec<[number, number]>(),
        ),
      )
      expect(counts.every(([first, second]) => second === first + 1)).toBe(true)
    })

    it('run the other commands when one fails', async () => {
      const body = JSON.stringify([
        ['SADD', t.key('s'), 'x'],
        ['INCR', t.key('s')],
        ['SCARD', t.key('s')],
      ])
      expect(await t.fetch('/multi-exec', { method: 'POST', body })).toEqual({
        status: 200,
        body: [
          { result: 1 },
          { error: 'WRONGTYPE Operation against a key holding the wrong kind of value' },
          { result: 1 },
        ],
      })
    })

    it('are discarded as a whole when a command is not one', async () => {
      const body = JSON.stringify([['SET', t.key('a'), '1'], ['NONSENSE']])
      expect(await t.fetch('/multi-exec', { method: 'POST', body })).toEqual({
        status: 400,
        body: { error: 'EXECABORT Transaction discarded because of previous errors.' },
      })
      expect(await t.redis.exists(t.key('a'))).toBe(0)
    })
  })

  describe('scripts', () => {
    it('compare and delete', async () => {
      await t.redis.set(t.key('lock'), 'mine')
      expect(await t.redis.eval(COMPARE_AND_DELETE, [t.key('lock')], ['other'])).toBe(0)
      expect(await t.redis.eval(COMPARE_AND_DELETE, [t.key('lock')], ['mine'])).toBe(1)
    })

    it('return nested lists, true and false as Redis does', async () => {
      expect(await t.redis.eval(`return {1, 'OK', {'b'}}`, [], [])).toEqual([1, 'OK', ['b']])
      expect(await t.redis.eval('return ARGV[1] == "x"', [], ['x'])).toBe(1)
      expect(await t.redis.eval('return false', [], [])).toBeNull()
    })
  })

  describe('errors', () => {
    it.each([
      [['NONSENSE', 'x'], "ERR unknown command 'NONSENSE', with args beginning with: 'x' "],
      [['GET'], "ERR wrong number of arguments for 'get' command"],
      [['SET', 'k', 'v', 'EX', '0'], "ERR invalid expire time in 'set' command"],
      [['SET', 'k', 'v', 'SOMETIMES'], 'ERR syntax error'],
      [['SUBSCRIBE', 'x'], /^ERR Command is not available: 'SUBSCRIBE'/],
    ])('say what is wrong: %j', async (command, message) => {
      const response = await t.fetch('/', { method: 'POST', body: JSON.stringify(command) })
      expect(response).toEqual({ status: 400, body: { error: expect.stringMatching(message) } })
    })

    it('reach the client as its own', async () => {
      await t.redis.hset(t.key('h'), { a: 1 })
      const plain = t.client({ enableAutoPipelining: false })
      await expect(plain.get(t.key('h'))).rejects.toThrow(/^WRONGTYPE .*, command was: \["get"/)
      await expect(t.redis.get(t.key('h'))).rejects.toThrow(/WRONGTYPE/)
    })
  })
}
