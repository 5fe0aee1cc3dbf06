import { eq } from 'drizzle-orm'
import { randomUUID } from 'node:crypto'
import { Pool } from 'pg'
import { describe, expect, it } from 'vitest'
import { things, type Context } from './context.ts'

/** What goes in and what comes out. */
export function valuesSuite(t: Context): void {
  describe('values', () => {
    it('come back through drizzle as they went in', async () => {
      const row = {
        id: 1,
        name: 'naïve “café” 日本語 👩‍👩‍👧 \\ \' "',
        big: 9_007_199_254_740_993n,
        price: '12345678901234567890.123456789',
        ready: false,
        data: { list: [1, null, 'ü'], nested: { emoji: '🚀' } },
        at: new Date('2025-03-04T05:06:07.089Z'),
        tags: ['a,b', 'c"d', '{e}', '', 'NULL'],
        ref: randomUUID(),
      }
      await t.db.insert(things).values(row)
      expect(await t.db.select().from(things)).toEqual([row])
    })

    it('may all be null', async () => {
      await t.db.insert(things).values({ id: 1 })
      const [row] = await t.db.select().from(things)
      expect(Object.values(row ?? {}).slice(1)).toEqual(Array(8).fill(null))
    })

    it('are parsed by the driver from their text', async () => {
      const [row] =
        await t.query`select 1::int2 as small, 2.5::float8 as real, true as yes, ${'x'}::text as t,
          '\\x00ff'::bytea as bytes, array[1, 2]::int[] as list, null as nothing, '[1]'::json as j, 12::bigint as b`
      expect(row).toEqual({
        small: 1,
        real: 2.5,
        yes: true,
        t: 'x',
        bytes: Buffer.from([0, 255]),
        list: [1, 2],
        nothing: null,
        j: [1],
        b: '12',
      })
    })

    it('are sent as Postgres expects them, whatever their type', async () => {
      const [row] = await t.query`select ${7}::int as n, ${true}::boolean as b, ${null}::text as nil,
          ${['a', 'b"c']}::text[] as list, ${{ a: [1] }}::jsonb as obj, ${Buffer.from('hi')}::bytea as bytes`
      expect(row).toEqual({
        n: 7,
        b: true,
        nil: null,
        list: ['a', 'b"c'],
        obj: { a: [1] },
        bytes: Buffer.from('hi'),
      })
    })

    it('that are arrays or objects in the JSON of the request become Postgres text', async () => {
      const body = { query: 'select $1::int[] a, $2::jsonb b', params: [[1, null], { x: 'y' }] }
      const response = await t.post(JSON.stringify(body))
      expect(await response.json()).toMatchObject({ rows: [{ a: '{1,NULL}', b: '{"x": "y"}' }] })
    })

    it('may be a megabyte, also while other clients are at work', async () => {
      const long = '🙂ab'.repeat(250_000)
      const other = new Pool({ connectionString: t.local.postgresUrl })
      const lengths = await Promise.all(
        Array.from({ length: 12 }, async (_, i) => {
          if (i % 3 === 1) return (await other.query('select $1::int as n', [i])).rows
          if (i % 3 === 2) return (await other.query('select length($1::text) as n', [long])).rows
          return t.query`select length(${long}) as n, ${long} = ${long} as same`
        }),
      )
      await other.end()
      expect(lengths.flat()).toEqual(
        Array.from({ length: 12 }, (_, i) => [{ n: 750_000, same: true }, { n: i }, { n: 750_000 }][i % 3]),
      )
    })
  })

  describe('results', () => {
    it('are arrays in array mode, with everything about the query in full results', async () => {
      const result = await t.query.query('select $1::int as a, $2::text as a', [1, 'two'], {
        arrayMode: true,
        fullResults: true,
      })
      expect(result).toMatchObject({ command: 'SELECT', rowCount: 1, rowAsArray: true, rows: [[1, 'two']] })
      expect(result.fields).toMatchObject([
        { name: 'a', dataTypeID: 23, format: 'text' },
        { name: 'a', dataTypeID: 25, format: 'text' },
      ])
    })

    it('are objects of text when the request does not ask for arrays', async () => {
      const response = await t.post(JSON.stringify({ query: 'select 1 as n, null as x', params: [] }))
      expect(await response.json()).toMatchObject({ rowAsArray: false, rows: [{ n: '1', x: null }] })
    })

    it('tell how many rows were changed', async () => {
      const inserted = await t.db.insert(things).values([{ id: 1 }, { id: 2 }])
      expect(inserted.rowCount).toBe(2)
      const updated = await t.db.update(things).set({ ready: true }).where(eq(things.id, 9))
      expect(updated).toMatchObject({ command: 'UPDATE', rowCount: 0 })
    })
  })
}
