import { neon, type NeonDbError } from '@neondatabase/serverless'
import { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import { errorOf, schema, things, type Context } from './context.ts'

/** Connections, and who may have one. */
export function connectionsSuite(t: Context): void {
  describe('connections', () => {
    it('answer many queries at once, each with its own result', async () => {
      const results = await Promise.all(Array.from({ length: 200 }, (_, i) => t.query`select ${i}::int as i`))
      expect(results.flat()).toEqual(Array.from({ length: 200 }, (_, i) => ({ i })))
      expect(t.local.stats()).toMatchObject({ requests: 200, statements: 200 })
      expect(t.local.stats().maxInFlight).toBeGreaterThan(1)
    })

    it('leave neither a transaction nor a setting to the next query', async () => {
      await t.query`begin`
      await t.query`set statement_timeout = 12345`
      const settings = await Promise.all(
        Array.from({ length: 20 }, () => t.query`select current_setting('statement_timeout') as timeout`),
      )
      expect(new Set(settings.flat().map((row) => row['timeout']))).toEqual(new Set(['0']))
    })

    it('share the data with clients of the wire protocol', async () => {
      const other = new Client(t.local.postgresUrl)
      await other.connect()
      await other.query(`begin; insert into ${schema.schemaName}.things (id) values (1); commit`)
      await other.end()
      expect(await t.db.$count(things)).toBe(1)
    })
  })

  describe('credentials', () => {
    it('must name the right user, password and database', async () => {
      const refused = /^password authentication failed for user '/
      expect((await connecting(t, (url) => (url.password = 'wrong'))).message).toMatch(refused)
      expect((await connecting(t, (url) => (url.username = 'mallory'))).message).toMatch(refused)
      expect(await connecting(t, (url) => (url.pathname = '/nowhere'))).toMatchObject({
        message: 'database "nowhere" does not exist',
        code: '3D000',
      })
    })

    it('must be there', async () => {
      expect((await connecting(t, (url) => (url.password = ''))).message).toMatch(/required password/)
      const response = await fetch(t.local.fetchEndpoint, { method: 'POST', body: '{"query":"select 1"}' })
      expect(response.status).toBe(400)
    })
  })
}

/** The error of a connection string that was changed. */
function connecting(t: Context, change: (url: URL) => void): Promise<NeonDbError> {
  const url = new URL(t.local.databaseUrl)
  change(url)
  return errorOf(neon(url.href)`select 1`)
}
