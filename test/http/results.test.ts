import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { results } from '../../src/db/schema.ts'
import { local, resetEverything, rounds } from '../support/rounds.ts'
import { runBatch } from '../workflows/runs.ts'
import { expectError, notFound } from './error-shape.ts'
import { envelopeSchema, readers } from './readers.ts'
import { cacheEntry, redis } from './redis.ts'

beforeEach(resetEverything)

const thirtyDays = 30 * 24 * 60 * 60

describe.each(readers)('the results of $workflow', ({ workflow, path, key, add, empty, other }) => {
  const generated = async () => {
    const app = rounds()
    await add(app.services.db, 'ada')
    await runBatch(app, workflow)
    return { app, entry: envelopeSchema.parse(await cacheEntry(key('ada'))) }
  }

  test('are read by anyone, after a batch, as they were generated', async () => {
    const { app, entry } = await generated()
    const answer = await app.call('GET', path('ada'), undefined, { authorization: '' })
    expect(answer).toEqual({ status: 200, body: entry.data })
    expect(answer.body).not.toEqual(empty)
  })

  test('come from the cache', async () => {
    const { app, entry } = await generated()
    await redis('SET', key('ada'), JSON.stringify({ ...entry, data: other }))
    expect((await app.call('GET', path('ada'))).body).toEqual(other)
  })

  test('come from the database once the cache has lost them, and are cached again as they were', async () => {
    const { app, entry } = await generated()
    await redis('FLUSHDB')
    expect(await app.call('GET', path('ada'))).toEqual({ status: 200, body: entry.data })
    expect(await cacheEntry(key('ada'))).toEqual(entry)
    const ttl = Number(await redis('TTL', key('ada')))
    expect(ttl).toBeGreaterThan(thirtyDays - 120)
    expect(ttl).toBeLessThanOrEqual(thirtyDays)
  })

  test('are served while the cache is down', async () => {
    const { app, entry } = await generated()
    await local('redis', 'faults', { down: true })
    expect(await app.call('GET', path('ada'))).toEqual({ status: 200, body: entry.data })
  })

  test('are served when the cache is down and nothing was generated: empty', async () => {
    const app = rounds()
    await add(app.services.db, 'ada')
    await local('redis', 'faults', { down: true })
    expect(await app.call('GET', path('ada'))).toEqual({ status: 200, body: empty })
  })

  test.for([
    ['broken JSON', '{"version": "1", "data"'],
    ['a bare text', 'hello'],
    ['null', 'null'],
    ['a list', '[]'],
    ['an entry without its data', '{"version":"1"}'],
    ['the data without its entry', JSON.stringify(other)],
    ['the data of another shape', JSON.stringify({ data: { text: 'hello' } })],
  ])('come from the database when the cache holds %s, which is repaired', async ([, stored]) => {
    const { app, entry } = await generated()
    await redis('SET', key('ada'), stored ?? '')
    expect(await app.call('GET', path('ada'))).toEqual({ status: 200, body: entry.data })
    expect(await cacheEntry(key('ada'))).toEqual(entry)
  })

  test('come from the database when the cache holds something that is no text', async () => {
    const { app, entry } = await generated()
    await redis('DEL', key('ada'))
    await redis('RPUSH', key('ada'), 'a list of the server itself')
    expect(await app.call('GET', path('ada'))).toEqual({ status: 200, body: entry.data })
  })

  test('are empty when the stored one has a shape that is not known any more', async () => {
    const { app } = await generated()
    await redis('FLUSHDB')
    await app.services.db.update(results).set({ data: { text: 'of an earlier version' } })
    expect(await app.call('GET', path('ada'))).toEqual({ status: 200, body: empty })
  })

  test('are empty for someone who has none yet', async () => {
    const app = rounds()
    await add(app.services.db, 'ada')
    expect(await app.call('GET', path('ada'))).toEqual({ status: 200, body: empty })
    expect(await cacheEntry(key('ada'))).toBeNull()
  })

  test('are empty once they have expired, and are not cached again', async () => {
    const { app } = await generated()
    await redis('FLUSHDB')
    await app.services.db.update(results).set({ expiresAt: sql`now() - interval '1 second'` })
    expect(await app.call('GET', path('ada'))).toEqual({ status: 200, body: empty })
    expect(await cacheEntry(key('ada'))).toBeNull()
  })

  test('are a 404 for someone who does not exist, also while the cache still knows them', async () => {
    const { app, entry } = await generated()
    await redis('SET', key('ghost'), JSON.stringify(entry))
    expect(expectError(await app.call('GET', path('ghost')), notFound).message).toContain('ghost')
    expectError(await app.call('GET', path('Ada')), notFound)
  })

  test.for(['a b', 'team/ada', '用户一', 'Zoë 🦊', '100%', '%2F', 'a?b=c', 'a#b', '...', ':userId', '*'])(
    'are found for an id like "%s"',
    async (id) => {
      const app = rounds()
      await add(app.services.db, id)
      await runBatch(app, workflow)
      const entry = envelopeSchema.parse(await cacheEntry(key(id)))
      expect(await app.call('GET', path(id))).toEqual({ status: 200, body: entry.data })
    },
  )
})
