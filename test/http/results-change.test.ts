import { eq } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { agents, results, users } from '../../src/db/schema.ts'
import { local, resetEverything, rounds } from '../support/rounds.ts'
import { addAgent, addUser } from '../workflows/records.ts'
import { runBatch } from '../workflows/runs.ts'
import { cacheEntry, redis } from './redis.ts'

beforeEach(resetEverything)

const welcome = '/api/agents/guide/welcome'
const placeholders = '/api/users/ada/welcome-placeholders'

describe('the welcome of an agent whose owner wrote a text', () => {
  const own = { openingMessage: 'Welcome to my garden! 🌻', openingQuestions: ['What grows in May?'] }
  const shown = { welcomeMessage: 'Welcome to my garden! 🌻', openQuestions: ['What grows in May?'] }

  test('is that text', async () => {
    const app = rounds()
    await addAgent(app.services.db, 'guide', own)
    expect(await app.call('GET', welcome)).toEqual({ status: 200, body: shown })
  })

  test('is that text at once, also when it was written after one was generated', async () => {
    const app = rounds()
    await addAgent(app.services.db, 'guide')
    await runBatch(app, 'agent-welcome')
    const { body: generated } = await app.call('GET', welcome)
    expect(generated).toEqual({ welcomeMessage: expect.any(String), openQuestions: expect.any(Array) })

    await app.services.db.update(agents).set(own)
    expect((await app.call('GET', welcome)).body).toEqual(shown)
    await redis('FLUSHDB')
    expect((await app.call('GET', welcome)).body).toEqual(shown)

    await app.services.db.update(agents).set({ openingMessage: null, openingQuestions: [] })
    expect((await app.call('GET', welcome)).body).toEqual(generated)
  })

  test('is not mixed with a generated one where the owner wrote only half of it', async () => {
    const app = rounds()
    await addAgent(app.services.db, 'guide')
    await runBatch(app, 'agent-welcome')
    await app.services.db.update(agents).set({ openingMessage: 'Hello!' })
    expect((await app.call('GET', welcome)).body).toEqual({ welcomeMessage: 'Hello!', openQuestions: [] })
    await app.services.db.update(agents).set({ openingMessage: null, openingQuestions: ['Why?'] })
    expect((await app.call('GET', welcome)).body).toEqual({ welcomeMessage: '', openQuestions: ['Why?'] })
  })

  test('is that text while the cache is down', async () => {
    const app = rounds()
    await addAgent(app.services.db, 'guide', own)
    await local('redis', 'faults', { down: true })
    expect(await app.call('GET', welcome)).toEqual({ status: 200, body: shown })
  })
})

/** Another result for Ada, as it is stored. */
const renewed = async (app: ReturnType<typeof rounds>) => {
  await app.services.db.update(users).set({ interests: ['chess'] })
  await runBatch(app, 'welcome-placeholder')
  const [row] = await app.services.db.select().from(results).where(eq(results.itemId, 'ada'))
  return row?.data
}

describe('a result that was generated again', () => {
  test('replaces the one in the cache', async () => {
    const app = rounds()
    await addUser(app.services.db, 'ada')
    await runBatch(app, 'welcome-placeholder')
    const { body: first } = await app.call('GET', placeholders)
    const second = await renewed(app)
    expect(second).not.toEqual(first)
    expect((await app.call('GET', placeholders)).body).toEqual(second)
  })

  test('reaches the cache when that comes back in time', async () => {
    const app = rounds()
    await addUser(app.services.db, 'ada')
    await local('redis', 'faults', { failNext: 2 })
    const batch = await runBatch(app, 'welcome-placeholder')
    expect(batch.counts).toMatchObject({ recorded: 1, succeeded: 1 })
    const [row] = await app.services.db.select().from(results)
    expect(await cacheEntry('aiGeneration:welcome_placeholder:ada')).toMatchObject({ data: row?.data })
    expect(await local('model', 'stats')).toMatchObject({ requests: 1 })
  })

  test('is what readers see after the cache was down for the whole batch', async () => {
    const app = rounds()
    await addUser(app.services.db, 'ada')
    await runBatch(app, 'welcome-placeholder')
    await local('redis', 'faults', { down: true })
    const second = await renewed(app)
    await local('redis', 'faults', {})
    expect((await app.call('GET', placeholders)).body).toEqual(second)
  })

  test('by force, of the same input, is what readers see although the cache was down', async () => {
    const app = rounds()
    await addUser(app.services.db, 'ada')
    await runBatch(app, 'welcome-placeholder')
    const newer = { placeholders: ['one', 'two', 'three'] }
    await app.services.db.update(results).set({ data: newer, generatedAt: new Date() })
    expect((await app.call('GET', placeholders)).body).toEqual(newer)
  })
})
