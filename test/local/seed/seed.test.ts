import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { migrateDatabase } from '../migrate-database.ts'
import { startNeon, type LocalNeon } from '../neon/start.ts'
import { readAgents } from './agents-file.ts'
import { insertPopulation } from './insert.ts'
import { seedIfEmpty, withDatabase } from './seed-database.ts'
import { seedAgent } from './agents.ts'
import { seedSubscriptions, seedTopics, seedUser } from './users.ts'

const now = new Date('2026-01-01T00:00:00Z')
const rows = Array.from({ length: 2000 }, (_, index) => index + 1)

const everythingOf = (row: number) => ({
  user: seedUser(row, now),
  subscriptions: seedSubscriptions(row, now),
  topics: seedTopics(row, now),
  agent: seedAgent(row, 100, now),
})

describe('the made-up population', () => {
  it('is the same however often it is made', () => {
    expect(rows.map(everythingOf)).toEqual(rows.map(everythingOf))
  })

  it('is mostly active, pays for a third, and speaks several languages', () => {
    const users = rows.map((row) => seedUser(row, now))
    const share = (count: number) => count / rows.length
    expect(share(users.filter(({ status }) => status === 'active').length)).toBeGreaterThan(0.8)
    expect(new Set(users.map(({ locale }) => locale)).size).toBeGreaterThan(10)
    const paying = rows.filter((row) =>
      seedSubscriptions(row, now).some(({ plan, status }) => status === 'active' && plan !== 'free'),
    )
    expect(share(paying.length)).toBeCloseTo(1 / 3, 1)
  })

  it('has no time that is still to come, except when a subscription ends', () => {
    const made = rows.map(everythingOf).flatMap(({ user, topics, agent }) => [[user, agent], topics].flat())
    expect(made.every(({ createdAt }) => createdAt <= now)).toBe(true)
  })
})

describe('seeding a database', () => {
  let neon: LocalNeon
  beforeAll(async () => {
    neon = await startNeon()
    await migrateDatabase(neon.postgresUrl)
  })
  afterAll(() => neon.close())

  const seed = (options: { users: number; agents: number }) =>
    withDatabase(neon.postgresUrl, (db) => insertPopulation(db, { ...options, now }))

  it('adds what is missing and nothing else', async () => {
    expect(await seedIfEmpty(neon.postgresUrl, { users: 10, agents: 5, now })).toMatchObject({
      users: 10,
      agents: 5,
    })
    expect(await seedIfEmpty(neon.postgresUrl, { users: 10, agents: 5, now })).toBeNull()
    expect(await seed({ users: 10, agents: 5 })).toEqual({
      users: 0,
      subscriptions: 0,
      topics: 0,
      agents: 0,
    })
    expect(await seed({ users: 6000, agents: 5 })).toMatchObject({ users: 5990, agents: 0 })
  })

  it('gives agents an owner when there are no users', async () => {
    await withDatabase(neon.postgresUrl, (db) => db.execute(sql`truncate users cascade`))
    expect(await seed({ users: 0, agents: 25 })).toMatchObject({ users: 3, agents: 25 })
  })

  it('says which migrations a database lacked', async () => {
    expect(await migrateDatabase(neon.postgresUrl)).toEqual([])
  })
})

describe('a file of agents', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'agents-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  const agent = {
    id: 'tea-guide',
    locale: 'en-GB',
    title: 'Tea guide',
    description: 'Finds your tea',
    tags: ['tea'],
    avatar: null,
    systemRole: 'You know teas.',
    openingMessage: null,
    openingQuestions: [],
    author: 'someone',
    createdAt: '2025-06-01',
  }

  async function read(...lines: string[]) {
    const path = join(folder, 'agents.jsonl')
    await writeFile(path, lines.join('\n'))
    return readAgents(path)
  }

  it('is read line by line, empty ones left out', async () => {
    const [first, second] = await read(JSON.stringify(agent), '', JSON.stringify({ ...agent, id: 'b' }), '')
    expect(first).toMatchObject({ id: 'tea-guide', createdAt: new Date('2025-06-01') })
    expect(second).toMatchObject({ id: 'b' })
  })

  it.each([
    ['not JSON', '{"id"', 'line 2 is not JSON'],
    ['not an agent', JSON.stringify({ ...agent, id: 'b', title: 3 }), 'line 2 is not an agent: title'],
    ['there twice', JSON.stringify(agent), 'line 2: the id "tea-guide" is there twice'],
  ])('is refused with the line that is %s', async (_, line, message) => {
    await expect(read(JSON.stringify(agent), line)).rejects.toThrow(message)
  })
})
