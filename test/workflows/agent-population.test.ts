import { beforeEach, describe, expect, test } from 'vitest'
import type { agents } from '../../src/db/schema.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { addAgent, addUser, subscribe } from './records.ts'
import { idsIn, planned, runBatch } from './runs.ts'

beforeEach(resetEverything)

const workflow = 'agent-welcome'

type Changes = Partial<typeof agents.$inferInsert>

const welcomed: [what: string, changes: Changes][] = [
  ['that has nothing of its own', {}],
  ['with an empty message', { openingMessage: '' }],
  ['with a message of spaces', { openingMessage: '   ' }],
  ['with a message of line ends', { openingMessage: '\r\n\t' }],
  ['with a message of blanks of other scripts', { openingMessage: '\u3000\u00a0' }],
  ['that is public', { visibility: 'public' }],
  ['that says nothing about itself', { description: '', systemRole: '', tags: [] }],
]

const leftAlone: [what: string, changes: Changes][] = [
  ['that is virtual', { virtual: true }],
  ['with a message of its own', { openingMessage: 'Hello!' }],
  ['with a message between blanks', { openingMessage: '\n Hello! \n' }],
  ['with questions of its own', { openingQuestions: ['What grows in May?'] }],
  ['with both', { openingMessage: 'Hello!', openingQuestions: ['What grows in May?'] }],
  ['that is virtual and has nothing of its own', { virtual: true, openingMessage: '' }],
]

describe('an agent', () => {
  test.for(welcomed)('%s gets a welcome, and readers see it', async ([, changes]) => {
    const app = rounds()
    await addAgent(app.services.db, 'guide', changes)
    expect(await planned(app, workflow)).toMatchObject({ totalEligible: 1, toProcess: 1, sample: ['guide'] })
    const batch = await runBatch(app, workflow)
    expect(await idsIn(app, batch.id)).toEqual(['guide'])
    const { body } = await app.call('GET', '/api/agents/guide/welcome')
    expect(body).toMatchObject({ welcomeMessage: expect.stringMatching(/\S/) })
  })

  test.for(leftAlone)('%s is left alone', async ([, changes]) => {
    const app = rounds()
    await addAgent(app.services.db, 'guide', changes)
    expect(await planned(app, workflow)).toMatchObject({ totalEligible: 0, toProcess: 0, sample: [] })
    expect((await runBatch(app, workflow)).counts).toMatchObject({ recorded: 0 })
  })
})

test('only the agents of those who pay get a welcome when that is asked for', async () => {
  const app = rounds()
  const { db } = app.services
  for (const id of ['pays', 'trial', 'free', 'left']) {
    await addUser(db, id)
    await addAgent(db, `${id}-1`, { userId: id })
    await addAgent(db, `${id}-2`, { userId: id })
  }
  await subscribe(db, 'pays', { plan: 'team', status: 'active' }, { plan: 'pro', status: 'active' })
  await subscribe(db, 'trial', { plan: 'pro', status: 'trialing' })
  await subscribe(db, 'free', { plan: 'free', status: 'active' })
  await subscribe(db, 'left', { plan: 'pro', status: 'canceled' })

  const batch = await runBatch(app, workflow, { params: { paidOnly: true } })
  expect(batch.plan).toMatchObject({ totalEligible: 2, toProcess: 2 })
  expect(await idsIn(app, batch.id)).toEqual(['pays-1', 'pays-2'])
})
