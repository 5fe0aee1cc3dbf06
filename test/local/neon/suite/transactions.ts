import { describe, expect, it } from 'vitest'
import { errorOf, schema, things, type Context } from './context.ts'

/** Transactions, and errors. */
export function transactionsSuite(t: Context): void {
  describe('transactions', () => {
    it('commit all of their queries', async () => {
      const [, rows] = await t.db.batch([
        t.db.insert(things).values([{ id: 1 }, { id: 2 }]),
        t.db.select({ id: things.id }).from(things).orderBy(things.id),
      ])
      expect(rows).toEqual([{ id: 1 }, { id: 2 }])
    })

    it('leave nothing behind when one query fails', async () => {
      const failed = t.db.batch([
        t.db.insert(things).values({ id: 1 }),
        t.db.insert(things).values({ id: 1 }),
      ])
      expect(await errorOf(failed)).toMatchObject({ code: '23505' })
      expect(await t.db.$count(things)).toBe(0)
    })

    it('honour isolation level and read only', async () => {
      const [rows] = await t.query.transaction(
        [t.query`select current_setting('transaction_isolation') as level`],
        {
          isolationLevel: 'Serializable',
        },
      )
      expect(rows).toEqual([{ level: 'serializable' }])
      const write = t.query.transaction(
        [t.query`create temp table t (i int)`, t.query`create table x (i int)`],
        {
          readOnly: true,
        },
      )
      expect(await errorOf(write)).toMatchObject({ code: '25006' })
    })

    it('refuse an isolation level that does not exist', async () => {
      const response = await t.post('{"queries":[]}', { 'Neon-Batch-Isolation-Level': 'Eventual' })
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ message: 'invalid isolation level', code: null })
    })
  })

  describe('errors', () => {
    it('carry code, constraint, table, schema and detail', async () => {
      await t.db.insert(things).values({ id: 1, name: 'x' })
      const error = await errorOf(
        t.query.query(`insert into ${schema.schemaName}.things (id, name) values (2, 'x')`),
      )
      expect(error).toMatchObject({
        message: 'duplicate key value violates unique constraint "things_name_key"',
        severity: 'ERROR',
        code: '23505',
        constraint: 'things_name_key',
        table: 'things',
        schema: schema.schemaName,
        detail: 'Key (name)=(x) already exists.',
      })
    })

    it('reach drizzle as the cause of its own', async () => {
      await t.db.insert(things).values({ id: 1 })
      const error: unknown = await t.db
        .insert(things)
        .values({ id: 1 })
        .catch((error: unknown) => error)
      expect(error).toMatchObject({
        cause: { name: 'NeonDbError', code: '23505', constraint: 'things_pkey' },
      })
    })

    it('tell where a syntax error is, and what may have been meant', async () => {
      expect(await errorOf(t.query`selec 1`)).toMatchObject({ code: '42601', position: '1' })
      const unknown = errorOf(t.query.query(`select nam from ${schema.schemaName}.things`))
      expect(await unknown).toMatchObject({ code: '42703', hint: expect.stringContaining('name') })
    })

    it('do not disturb the queries that come after', async () => {
      const results = await Promise.allSettled(
        Array.from({ length: 20 }, (_, i) => t.query`select 1 / ${i % 2}::int as x`),
      )
      expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(10)
    })

    it('refuse more than one statement in a query', async () => {
      expect(await errorOf(t.query`select 1; select 2`)).toMatchObject({ code: '42601' })
    })
  })
}
