import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { PermanentError } from '../../src/errors.ts'
import { isItem, type Fate } from '../support/deliveries.ts'
import { insertUsers, userId } from '../support/population.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { runToy } from '../support/started.ts'
import { toyWorkflow } from '../support/toy.ts'

beforeEach(resetEverything)

describe('an item', () => {
  test('that fails is tried again and ends as what its last try was', async () => {
    let tries = 0
    const { batch } = await runToy(1, () => {
      tries += 1
      return tries < 3 ? Promise.reject(new Error('not yet')) : Promise.resolve({ text: 'done' })
    })
    expect(tries).toBe(3)
    expect(batch).toMatchObject({ status: 'completed', counts: { succeeded: 1, failed: 0 } })
  })

  test('that always fails is failed with its error after its retries, and holds no other up', async () => {
    let tries = 0
    const { batch, items } = await runToy(30, (_, id) => {
      if (id !== userId(7)) return Promise.resolve({ text: 'fine' })
      tries += 1
      return Promise.reject(new Error(`no luck (${tries})`))
    })
    expect(tries).toBe(4)
    expect(batch).toMatchObject({ status: 'completed', counts: { recorded: 30, succeeded: 29, failed: 1 } })
    expect(await items('failed')).toMatchObject({
      data: [{ id: userId(7), claims: 4, error: { name: 'Error', message: 'no luck (4)' } }],
    })
  })

  test('is worked on also where its schema would take nothing for a result', async () => {
    let tries = 0
    const work = () => {
      tries += 1
      return Promise.resolve({ text: 'written' })
    }
    const { batch } = await runToy(3, work, { data: z.object({ text: z.string() }).catch({ text: 'empty' }) })
    expect(tries).toBe(3)
    expect(batch).toMatchObject({ counts: { succeeded: 3 } })
  })

  test('with a permanent error fails at once', async () => {
    let tries = 0
    const { batch } = await runToy(1, () => {
      tries += 1
      return Promise.reject(new PermanentError('never'))
    })
    expect(tries).toBe(1)
    expect(batch.counts).toMatchObject({ failed: 1 })
  })

  test.each([
    ['with a NUL', 'a\u0000b', 'ab'],
    ['cut in the middle of an emoji', `${'x'.repeat(999)}😀`, `${'x'.repeat(999)}\ufffd`],
  ])('with an error %s fails once, and the error is kept', async (_, message, kept) => {
    let tries = 0
    const { batch, items } = await runToy(1, () => {
      tries += 1
      return Promise.reject(new PermanentError(message))
    })
    expect(tries).toBe(1)
    expect(batch.counts).toMatchObject({ failed: 1 })
    expect(await items('failed')).toMatchObject({ data: [{ error: { message: kept } }] })
  })

  test('that takes longer than the timeout is aborted and tried again', async () => {
    let aborted = 0
    const { batch, items } = await runToy(
      1,
      ({ signal }) =>
        new Promise(() => {
          signal.addEventListener('abort', () => {
            aborted += 1
          })
        }),
      {
        // Long enough for a slow claim, which uses up some of it.
        timeout: '500 ms',
        layers: {
          process: { retries: 3, retryDelay: '0', flowControl: { parallelism: 1, rate: 1 } },
          paginate: { retries: 3, retryDelay: '0', flowControl: { parallelism: 1, rate: 1 } },
          execute: { retries: 1, retryDelay: '0', flowControl: { parallelism: 1, rate: 1 } },
        },
      },
    )
    expect(aborted).toBe(2)
    expect(batch.counts).toMatchObject({ failed: 1 })
    expect(await items('failed')).toMatchObject({
      data: [{ error: { message: 'the work took longer than 500 ms' } }],
    })
  })

  test.each([
    ['does not fit the schema', 5],
    ['cannot be stored by Postgres', 'a\u0000b'],
    ['has half a character', 'a\ud800b'],
  ])('whose result %s is tried again and never stored', async (_, text) => {
    const { batch, services } = await runToy(1, () => Promise.resolve(Object({ text })))
    expect(batch.counts).toMatchObject({ failed: 1, succeeded: 0 })
    const { rows } = await services.db.execute(sql`select * from results`)
    expect(rows).toEqual([])
  })

  test('may have a result that only looks like it could not be stored', async () => {
    const text = String.raw`C:\u0000 and \ud800`
    const { services } = await runToy(1, () => Promise.resolve({ text }))
    const { rows } = await services.db.execute(sql`select data from results`)
    expect(rows).toEqual([{ data: { text } }])
  })

  test('delivered twice is worked on once', async () => {
    let tries = 0
    const work = () => {
      tries += 1
      return Promise.resolve({ text: 'done' })
    }
    const { batch, delivered } = await runToy(20, work, {}, { fate: () => 'twice' })
    expect(tries).toBe(20)
    expect(batch.counts).toMatchObject({ recorded: 20, succeeded: 20 })
    expect(delivered.some(({ status }) => status >= 500)).toBe(false)
  })

  test('whose answer is lost is not worked on again', async () => {
    let tries = 0
    const lostOnce = new Set<string>()
    const { batch } = await runToy(
      20,
      () => {
        tries += 1
        return Promise.resolve({ text: 'done' })
      },
      {},
      {
        fate(delivery) {
          const key = `${delivery.headers['upstash-workflow-runid']}`
          if (!isItem(delivery) || lostOnce.has(key)) return 'normal'
          lostOnce.add(key)
          return 'unanswered'
        },
      },
    )
    expect(lostOnce.size).toBe(20)
    expect(tries).toBe(20)
    expect(batch).toMatchObject({ status: 'completed', counts: { succeeded: 20 } })
  })

  test('that another delivery is working on is left to it', async () => {
    const { promise: working, resolve: release } = Promise.withResolvers<void>()
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    let tries = 0
    const app = rounds([
      toyWorkflow(async () => {
        tries += 1
        begin()
        await working
        return { text: 'done' }
      }),
    ])
    await insertUsers(app.services.db, 1)
    const { id } = await app.start('toy')
    const answers: number[] = []
    await app.deliver({
      concurrency: 1,
      async fate(delivery): Promise<Fate> {
        if (!isItem(delivery) || answers.length > 0) return 'normal'
        const request = () => new Request(delivery.url, { ...delivery })
        const first = app.worker(request())
        await begun
        const second = await app.worker(request())
        answers.push(second.status, Number(second.headers.get('retry-after')))
        release()
        await first
        return 'lost'
      },
    })
    expect(answers[0]).toBe(429)
    expect(answers[1]).toBeGreaterThan(50)
    expect(answers[1]).toBeLessThanOrEqual(60)
    expect(tries).toBe(1)
    expect((await app.batch(id)).counts).toMatchObject({ succeeded: 1 })
  })

  test('whose worker died is taken over when its lease ends, and the dead one cannot save', async () => {
    let tries = 0
    const { promise: asleep, resolve: wake } = Promise.withResolvers<void>()
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    const app = rounds([
      toyWorkflow(async () => {
        tries += 1
        const mine = tries
        begin()
        if (mine === 1) await asleep
        return { text: `try ${mine}` }
      }),
    ])
    const { db } = app.services
    await insertUsers(db, 1)
    await app.start('toy')
    let zombie: Promise<Response> | undefined
    await app.deliver({
      concurrency: 1,
      async fate(delivery): Promise<Fate> {
        if (!isItem(delivery) || zombie !== undefined) return 'normal'
        zombie = app.worker(new Request(delivery.url, { ...delivery }))
        await begun
        await db.execute(sql`update batch_items set lease_until = now() - interval '1 second'`)
        return 'normal'
      },
    })
    wake()
    await zombie
    expect(tries).toBe(2)
    const { rows } = await db.execute(sql`select data from results`)
    expect(rows).toEqual([{ data: { text: 'try 2' } }])
  })
})
