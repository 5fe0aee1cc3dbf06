import { eq } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { agents, results, users } from '../../src/db/schema.ts'
import type { Db } from '../../src/db/client.ts'
import type { Fate } from '../support/deliveries.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { addAgent, addUser } from './records.ts'
import { itemsOf, planned, timesAsked } from './runs.ts'

beforeEach(resetEverything)

/** A batch over two items, one of which changes once both are recorded and none is worked on. */
async function changedAfterItsPage(
  workflow: string,
  add: typeof addUser,
  change: (db: Db) => Promise<unknown>,
) {
  const app = rounds()
  for (const id of ['fern', 'moss']) await add(app.services.db, id)
  const { id } = await app.start(workflow)
  let changed: Promise<unknown> | undefined
  await app.deliver({
    fate: async ({ url }): Promise<Fate> => {
      if (/\/generate-\w+$/.test(url)) await (changed ??= change(app.services.db))
      return 'normal'
    },
  })
  return { app, batch: await app.batch(id), items: await itemsOf(app, id) }
}

const fern = eq(users.id, 'fern')
const newInterests = (db: Db) =>
  db
    .update(users)
    .set({ interests: ['chess'] })
    .where(fern)
const fernAgent = eq(agents.id, 'fern')

const gone: [what: string, workflow: string, add: typeof addUser, change: (db: Db) => Promise<unknown>][] = [
  ['a user who was deleted', 'welcome-placeholder', addUser, (db) => db.delete(users).where(fern)],
  [
    'a user who was suspended',
    'welcome-placeholder',
    addUser,
    (db) => db.update(users).set({ status: 'suspended' }).where(fern),
  ],
  ['an agent that was deleted', 'agent-welcome', addAgent, (db) => db.delete(agents).where(fernAgent)],
  [
    'an agent that got a text of its own',
    'agent-welcome',
    addAgent,
    (db) => db.update(agents).set({ openingMessage: 'Hello!' }).where(fernAgent),
  ],
  [
    'an agent that got questions of its own',
    'agent-welcome',
    addAgent,
    (db) =>
      db
        .update(agents)
        .set({ openingQuestions: ['Why?'] })
        .where(fernAgent),
  ],
  [
    'an agent that became virtual',
    'agent-welcome',
    addAgent,
    (db) => db.update(agents).set({ virtual: true }).where(fernAgent),
  ],
]

describe('between the page and the work', () => {
  test.for(gone)('%s is skipped with a reason, and nothing is paid', async ([, workflow, add, change]) => {
    const { app, batch, items } = await changedAfterItsPage(workflow, add, change)
    expect(batch).toMatchObject({
      status: 'completed',
      counts: { recorded: 2, succeeded: 1, skipped: 1, failed: 0 },
    })
    expect(items).toMatchObject([
      {
        id: 'fern',
        status: 'skipped',
        error: { name: 'Skipped', message: expect.stringMatching(/\w+ \w+/) },
      },
      { id: 'moss', status: 'succeeded', error: null },
    ])
    expect(await timesAsked()).toBe(1)
    expect((await app.services.db.select().from(results)).map(({ itemId }) => itemId)).toEqual(['moss'])
  })

  test('a user who got other interests is worked on with these, and again in the next batch', async () => {
    const { app, batch } = await changedAfterItsPage('welcome-placeholder', addUser, newInterests)
    expect(batch.counts).toMatchObject({ recorded: 2, succeeded: 2 })
    const { body } = await app.call('GET', '/api/users/fern/welcome-placeholders')
    expect(JSON.stringify(body)).toContain('chess')
    expect(await planned(app, 'welcome-placeholder')).toMatchObject({ alreadyProcessed: 1, sample: ['fern'] })
  })

  test('a user who comes new is left for the next batch', async () => {
    const { app, batch } = await changedAfterItsPage('welcome-placeholder', addUser, (db) =>
      addUser(db, 'aster'),
    )
    expect(batch.counts).toMatchObject({ recorded: 2, succeeded: 2 })
    expect(await planned(app, 'welcome-placeholder')).toMatchObject({ toProcess: 1, sample: ['aster'] })
  })
})
