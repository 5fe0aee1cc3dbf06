import { describe, expect, it } from 'vitest'
import type { Context } from './context.ts'

/** The HTTP side: paths, tokens and the fault switch. */
export function requestsSuite(t: Context): void {
  describe('requests', () => {
    it('may carry the command in the path', async () => {
      const key = encodeURIComponent(t.key('p/ä'))
      expect((await t.fetch(`/set/${key}/some%20value/EX/100`)).body).toEqual({ result: 'OK' })
      expect((await t.fetch(`/get/${key}`)).body).toEqual({ result: 'some value' })
      expect(await t.redis.ttl(t.key('p/ä'))).toBe(100)
    })

    it('may carry the value in the body and options in the query', async () => {
      const key = t.key('body')
      await t.fetch(`/set/${key}?EX=100`, { method: 'POST', body: '{"a":1}' })
      expect(await t.redis.get(key)).toEqual({ a: 1 })
      expect(await t.redis.ttl(key)).toBe(100)
    })

    it('have their strings encoded on demand, all but OK', async () => {
      const headers = { 'Upstash-Encoding': 'base64' }
      expect((await t.fetch(`/set/${t.key('e')}/OK`, { headers })).body).toEqual({ result: 'OK' })
      expect((await t.fetch(`/mget/${t.key('e')}/none`, { headers })).body).toEqual({
        result: ['T0s=', null],
      })
    })

    it('must be JSON with a command', async () => {
      for (const body of ['', '[]', '{}', '[[1]]', '[null]', 'GET k']) {
        const response = await t.fetch('/', { method: 'POST', body })
        expect(response).toEqual({
          status: 400,
          body: { error: expect.stringMatching(/^ERR failed to parse/) },
        })
      }
      expect((await t.fetch('/get/k', { method: 'DELETE' })).status).toBe(405)
    })

    it('are limited to ten megabytes', async () => {
      await expect(t.redis.set(t.key('a'), 'x'.repeat(11_000_000))).rejects.toThrow(
        /max request size exceeded/,
      )
    })

    it('need the token', async () => {
      const unauthorized = { error: 'WRONGPASS invalid or missing auth token' }
      const headers = { authorization: 'Bearer wrong' }
      expect(await t.fetch('/get/k', { headers })).toEqual({ status: 401, body: unauthorized })
      await expect(t.client({ token: 'wrong' }).get('k')).rejects.toThrow(/WRONGPASS/)
      expect((await t.fetch(`/get/k?_token=${t.local.token}`, { headers })).status).toBe(200)
      expect(t.local.stats()).toMatchObject({ requests: 3, commands: 1 })
    })
  })

  describe('fault switch', () => {
    it('refuses the next requests, and then works again', async () => {
      await t.setFaults({ failNext: 1 })
      await expect(t.redis.set(t.key('a'), 1)).rejects.toThrow(/the request failed/)
      expect(await t.redis.get(t.key('a'))).toBeNull()
    })

    it('loses the answer to a command that was executed', async () => {
      await t.setFaults({ loseNext: 1 })
      await expect(t.redis.set(t.key('a'), 1)).rejects.toThrow(/the answer was lost/)
      expect(await t.redis.get(t.key('a'))).toBe(1)
    })

    it('refuses everything while the service is down', async () => {
      await t.setFaults({ down: true })
      await expect(t.redis.get(t.key('a'))).rejects.toThrow(/the service is down/)
      await t.setFaults({})
      expect(await t.redis.get(t.key('a'))).toBeNull()
    })

    it('says what is wrong with a setting', async () => {
      expect((await t.setFaults({ down: 'yes' })).status).toBe(400)
    })

    it('shows the statistics', async () => {
      await t.redis.get(t.key('a'))
      expect((await t.fetch('/local/stats')).body).toEqual({ requests: 1, commands: 1, byName: { GET: 1 } })
    })
  })
}
