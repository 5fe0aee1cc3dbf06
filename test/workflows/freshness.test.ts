import { eq, sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { agents, results, topics, users } from '../../src/db/schema.ts'
import type { Db } from '../../src/db/client.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { addAgent, addTopics, addUser, subscribe } from './records.ts'
import { idsIn, planned, runBatch, timesAsked } from './runs.ts'

beforeEach(resetEverything)

type Change = [what: string, change: (db: Db) => Promise<unknown>]

const userChanges: Change[] = [
  ['new interests', (db) => db.update(users).set({ interests: ['gardening', 'chess'] })],
  ['no interests any more', (db) => db.update(users).set({ interests: [] })],
  ['interests in another order', (db) => db.update(users).set({ interests: ['tea', 'gardening'] })],
  ['another language', (db) => db.update(users).set({ locale: 'de-DE' })],
  ['a new topic', (db) => addTopics(db, 'ada', ['today'], '2026-06-01T00:00:00Z')],
  [
    'a topic that got another title',
    (db) => db.update(topics).set({ title: 'e!' }).where(eq(topics.title, 'e')),
  ],
  ['a topic that was deleted', (db) => db.delete(topics).where(eq(topics.title, 'c'))],
]

const userTouches: Change[] = [
  ['another name', (db) => db.update(users).set({ name: 'Ada L.' })],
  ['another address', (db) => db.update(users).set({ email: 'ada@example.org' })],
  ['a visit', (db) => db.update(users).set({ lastActiveAt: sql`now()` })],
  ['a subscription', (db) => subscribe(db, 'ada', { plan: 'pro', status: 'active' })],
  [
    'an old topic that got another title',
    (db) => db.update(topics).set({ title: 'a!' }).where(eq(topics.title, 'a')),
  ],
  ['an old topic that was deleted', (db) => db.delete(topics).where(eq(topics.title, 'a'))],
  ['the same interests', (db) => db.update(users).set({ interests: ['gardening', 'tea'] })],
]

const agentChanges: Change[] = [
  ['another title', (db) => db.update(agents).set({ title: 'Guide 2' })],
  ['another system role', (db) => db.update(agents).set({ systemRole: 'You help cooks.' })],
  ['another description', (db) => db.update(agents).set({ description: 'For cooks' })],
  ['other tags', (db) => db.update(agents).set({ tags: ['cooking'] })],
  ['another language', (db) => db.update(agents).set({ locale: 'fr-FR' })],
]

const agentTouches: Change[] = [
  ['another avatar', (db) => db.update(agents).set({ avatar: '🌵' })],
  ['being published', (db) => db.update(agents).set({ visibility: 'public' })],
  ['a blank opening message', (db) => db.update(agents).set({ openingMessage: ' ' })],
  ["its owner's other name", (db) => db.update(users).set({ name: 'Someone' })],
]

const addAda = async (db: Db) => {
  await addUser(db, 'ada', { interests: ['gardening', 'tea'] })
  await addTopics(db, 'ada', ['a', 'b', 'c', 'd', 'e', 'f'])
}
const addGuide = (db: Db) => addAgent(db, 'guide')

describe.each([
  { workflow: 'welcome-placeholder', who: 'ada', add: addAda, changes: userChanges, touches: userTouches },
  { workflow: 'agent-welcome', who: 'guide', add: addGuide, changes: agentChanges, touches: agentTouches },
])('a result of $workflow', ({ workflow, who, add, changes, touches }) => {
  const done = async () => {
    const app = rounds()
    await add(app.services.db)
    await runBatch(app, workflow)
    return app
  }

  test('is not made twice', async () => {
    const app = await done()
    expect(await planned(app, workflow)).toMatchObject({ alreadyProcessed: 1, toProcess: 0, sample: [] })
    expect((await runBatch(app, workflow)).counts.recorded).toBe(0)
    expect(await timesAsked()).toBe(1)
  })

  test.for(changes)('is made again after %s', async ([, change]) => {
    const app = await done()
    await change(app.services.db)
    expect(await planned(app, workflow)).toMatchObject({ alreadyProcessed: 0, toProcess: 1, sample: [who] })
    const batch = await runBatch(app, workflow)
    expect(await idsIn(app, batch.id)).toEqual([who])
    expect(await timesAsked()).toBe(2)
    expect(await planned(app, workflow)).toMatchObject({ alreadyProcessed: 1, toProcess: 0 })
  })

  test.for(touches)('is kept after %s', async ([, change]) => {
    const app = await done()
    await change(app.services.db)
    expect(await planned(app, workflow)).toMatchObject({ alreadyProcessed: 1, toProcess: 0 })
  })

  test('is made again once it has expired', async () => {
    const app = await done()
    await app.services.db.update(results).set({ expiresAt: sql`now() - interval '1 second'` })
    expect(await planned(app, workflow)).toMatchObject({ alreadyProcessed: 0, toProcess: 1 })
    await runBatch(app, workflow)
    expect(await planned(app, workflow)).toMatchObject({ alreadyProcessed: 1, toProcess: 0 })
  })

  test('is made again by force, and counted as there before', async () => {
    const app = await done()
    expect(await planned(app, workflow, { force: true })).toMatchObject({ alreadyProcessed: 1, toProcess: 1 })
    expect((await runBatch(app, workflow, { force: true })).counts.succeeded).toBe(1)
    expect(await timesAsked()).toBe(2)
  })
})
