import { describe, expect, it } from 'vitest'
import { things, type Context } from './context.ts'

/** The HTTP side: requests and the fault switch. */
export function requestsSuite(t: Context): void {
  describe('requests', () => {
    it('must be JSON with a query', async () => {
      const bodies = [
        '',
        'select 1',
        '{}',
        '{"query":1}',
        '{"queries":[{}]}',
        '{"query":"select 1","params":1}',
      ]
      for (const body of bodies) {
        const response = await t.post(body)
        expect(response.status).toBe(400)
        expect(await response.json()).toMatchObject({
          message: expect.stringMatching(/^could not parse the HTTP request body: /),
        })
      }
    })

    it('and responses are limited to ten megabytes', async () => {
      const tooLong = 'x'.repeat(11_000_000)
      await expect(t.query`select ${tooLong}`).rejects.toThrow(/413.*request is too large/)
      await expect(t.query`select repeat('x', 11000000)`).rejects.toThrow(/507.*response is too large/)
    })
  })

  describe('fault switch', () => {
    it('refuses the next requests, and then works again', async () => {
      await t.setFaults({ failNext: 2 })
      await expect(t.query`select 1`).rejects.toThrow(/HTTP status 500/)
      await expect(t.query`select 1`).rejects.toThrow(/HTTP status 500/)
      expect(await t.query`select 1 as n`).toEqual([{ n: 1 }])
      expect(t.local.stats().statements).toBe(1)
    })

    it('loses the answer to a statement that was executed', async () => {
      await t.setFaults({ loseNext: 1 })
      await expect(t.db.insert(things).values({ id: 1 })).rejects.toThrow()
      expect(await t.db.$count(things)).toBe(1)
    })

    it('refuses everything while the service is down', async () => {
      await t.setFaults({ down: true })
      await expect(t.query`select 1`).rejects.toThrow(/HTTP status 503/)
      await fetch(`${t.local.url}/local/reset`, { method: 'POST' })
      expect(await t.query`select 1 as n`).toEqual([{ n: 1 }])
    })

    it('delays requests', async () => {
      await t.setFaults({ delayMs: 30 })
      const started = performance.now()
      await t.query`select 1`
      expect(performance.now() - started).toBeGreaterThanOrEqual(29)
    })

    it('says what is wrong with a setting', async () => {
      const response = await t.setFaults({ failNext: -1, typo: 1 })
      expect(response.status).toBe(400)
      expect(await response.text()).toMatch(/failNext.*typo|typo.*failNext/s)
    })

    it('shows the statistics', async () => {
      await t.query`select 1`
      const response = await fetch(`${t.local.url}/local/stats`)
      expect(await response.json()).toEqual({ requests: 1, statements: 1, maxInFlight: 1 })
    })
  })
}
