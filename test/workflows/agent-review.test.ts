import { eq } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { agents } from '../../src/db/schema.ts'
import { giveEventTo } from '../../src/engine/durable/events.ts'
import agentReview from '../../src/workflows/agent-review/definition.ts'
import { isFailureCallback, type Fate, type PendingDelivery } from '../support/deliveries.ts'
import { mockStep, startOne, withSteps } from '../support/durable.ts'
import { local, resetEverything, rounds } from '../support/rounds.ts'
import { mails, subjects } from '../support/outside.ts'
import { addAgent } from './records.ts'
import { prompts } from './runs.ts'

beforeEach(async () => {
  await resetEverything()
  await addAgent(rounds().services.db, 'guide', { title: 'Moss guide', review: 'submitted' })
})

type Started = Awaited<ReturnType<typeof startOne>>

const judged = (verdict: 'publish' | 'reject' | 'unsure') =>
  mockStep(agentReview, 'moderate', { verdict, reason: 'because' })

const agent = async () => {
  const [found] = await rounds().services.db.select().from(agents).where(eq(agents.id, 'guide'))
  return found
}

const published = 'Moss guide is public now'
const refused = 'Moss guide was not published'

/** Gives the event that a decision is told by, with nothing behind it. */
const wake = ({ services }: Started) =>
  giveEventTo(services, { workflow: 'agent-review', itemId: 'guide', event: 'ask.decision' }, 'approved')

/** The review as it waits for a person. */
async function undecided() {
  const one = await startOne(judged('unsure'), 'guide')
  expect(await one.runUntilWaiting()).toMatchObject({ status: 'waiting', waitingFor: 'ask.decision' })
  return one
}

test('the model is asked by QStash, and its verdict is carried out', async () => {
  await local('model', 'faults', { rules: [{ status: 503, times: 2 }] })
  const one = await startOne(agentReview, 'guide')
  expect(await one.run()).toMatchObject({ status: 'succeeded' })
  expect((await prompts()).at(-1)).toContain('Moss guide')
  const step = (await one.history()).find(({ name }) => name === 'moderate')
  expect(step).toMatchObject({ kind: 'call', status: 'done' })
  expect((await one.now()).spent.inputTokens).toBeGreaterThan(0)
})

test.each([
  ['publish', 'published', 'public', published],
  ['reject', 'rejected', 'private', refused],
] as const)('when the model is sure (%s), its owner hears', async (verdict, review, visibility, subject) => {
  const one = await startOne(judged(verdict), 'guide')
  expect(await one.run()).toMatchObject({ status: 'succeeded' })
  expect(await agent()).toMatchObject({ review, visibility })
  expect(await subjects()).toEqual([subject])
  expect(await mails()).toMatchObject([{ to: 'owner@example.com' }])
})

test('a review whose owner cannot be told stands, and says so', async () => {
  await local('mail', 'faults', { rules: [{ status: 422 }] })
  const one = await startOne(judged('publish'), 'guide')
  expect(await one.run()).toMatchObject({ status: 'succeeded' })
  expect(await agent()).toMatchObject({ review: 'published' })
  const { rows } = await one.services.db.execute('select data from results')
  expect(rows).toMatchObject([{ data: { outcome: 'published', told: false } }])
})

describe('when the model is not sure, somebody is asked', () => {
  test.each([
    ['approved', 'published', published],
    ['rejected', 'rejected', refused],
  ] as const)('whose answer counts: %s', async (decision, review, subject) => {
    const one = await undecided()
    await one.later('1 day')
    expect(await one.decide(decision, 'I had a look')).toMatchObject({
      status: 200,
      body: { decidedBy: 'ADMIN_TOKEN' },
    })
    expect(await one.decide(decision)).toMatchObject({ status: 200, body: { reason: 'I had a look' } })
    expect(await one.decide(decision === 'approved' ? 'rejected' : 'approved')).toMatchObject({ status: 409 })
    expect(await one.runUntilWaiting()).toMatchObject({ status: 'succeeded' })
    expect(await agent()).toMatchObject({ review })
    expect(await subjects()).toEqual([subject])
    expect(JSON.stringify(await mails())).not.toContain('I had a look')
  })

  test('without a word: its owner is not told that nobody looked', async () => {
    const one = await undecided()
    await one.decide('rejected')
    await one.run()
    expect(await mails()).toMatchObject([{ text: expect.stringContaining('one of us had a look') }])
  })

  test('and without an answer in 48 hours it is a no, after which nobody can decide any more', async () => {
    const one = await undecided()
    await one.later('47 hours')
    expect(await one.runUntilWaiting()).toMatchObject({ status: 'waiting' })
    expect(await one.run()).toMatchObject({ status: 'succeeded' })
    expect(await agent()).toMatchObject({ review: 'rejected' })
    expect(await one.decide('approved')).toMatchObject({
      status: 409,
      body: { error: { details: { status: 'expired' } } },
    })
    expect(await mails()).toMatchObject([
      { text: expect.stringContaining('nobody could look at it in time') },
    ])
  })

  test('once, though every delivery comes twice', async () => {
    const one = await startOne(judged('unsure'), 'guide')
    await one.run({ fate: () => 'twice' })
    expect(await subjects()).toEqual([refused])
    const { body } = await one.call('GET', '/api/admin/approvals')
    expect(body).toMatchObject({ data: [{ status: 'expired' }] })
  })

  test('and is not waited for any longer when the batch is cancelled', async () => {
    const one = await undecided()
    await one.act('cancel')
    expect(await one.run()).toMatchObject({ status: 'cancelled' })
    expect(await one.decide('approved')).toMatchObject({ status: 409 })
    expect(await agent()).toMatchObject({ review: 'submitted' })
  })

  test('and an event that no decision stands behind decides nothing', async () => {
    const one = await startOne(judged('unsure'), 'guide')
    expect(await one.give('ask.decision', 'approved')).toBe(false)
    await wake(one)
    expect(await one.runUntilWaiting()).toMatchObject({ status: 'waiting', waitingFor: 'ask.decision.2' })
    expect(await agent()).toMatchObject({ review: 'submitted' })
    expect(await one.decide('approved')).toMatchObject({ status: 200 })
    expect(await one.runUntilWaiting()).toMatchObject({ status: 'succeeded' })
    expect(await agent()).toMatchObject({ review: 'published' })
  })

  test('and asked again, once, when the run died as it woke up and is retried', async () => {
    const one = await undecided()
    await one.decide('approved')
    let dead: string | undefined
    const fate = (delivery: PendingDelivery): Fate => {
      if (!delivery.url.endsWith('/review-agent') || isFailureCallback(delivery)) return 'normal'
      const run = delivery.headers['upstash-workflow-runid']
      dead ??= run
      return run === dead ? 'lost' : 'normal'
    }
    expect(await one.run({ fate })).toMatchObject({ status: 'failed', error: { name: 'RunFailed' } })
    await one.act('retry', { all: true, confirm: true })
    expect(await one.runUntilWaiting()).toMatchObject({ status: 'waiting', waitingFor: 'ask.decision' })
    const { body } = await one.call('GET', '/api/admin/approvals?status=pending')
    expect(body).toMatchObject({ data: [{}] })
    expect(await one.decide('approved')).toMatchObject({ status: 200 })
    expect(await one.runUntilWaiting()).toMatchObject({ status: 'succeeded' })
    expect(await subjects()).toEqual([published])
  })

  test('whose decision counts only while the item waits for it', async () => {
    const one = await undecided()
    await one.services.db.execute('update batch_items set undoing = $$failed$$')
    expect(await one.decide('approved')).toMatchObject({
      status: 409,
      body: { error: { message: 'its time is over, or its item does not wait for it any more' } },
    })
  })
})

test.each([
  ['by the model', judged('publish'), async () => undefined],
  [
    'by a person',
    judged('unsure'),
    async (one: Started) => {
      await one.runUntilWaiting()
      await one.decide('approved')
    },
  ],
] as const)(
  'an agent that was changed while it was reviewed %s is left as it is',
  async (_, workflow, decide) => {
    const one = await startOne(workflow, 'guide')
    const changed = withSteps(workflow, {
      'carry out': (work) => async (services) => {
        await services.db.update(agents).set({ systemRole: 'Something else.' })
        return await work(services)
      },
    })
    await decide(one)
    await rounds([changed]).deliver()
    expect(await one.item()).toMatchObject({ status: 'skipped' })
    expect(await agent()).toMatchObject({ review: 'submitted', visibility: 'private' })
    expect(await subjects()).toEqual([])
  },
)

test('an agent whose instructions are too long to be shown whole is never published by the model alone', async () => {
  await rounds()
    .services.db.update(agents)
    .set({ systemRole: 'Be kind. '.repeat(1000) })
  const one = await startOne(judged('publish'), 'guide')
  expect(await one.runUntilWaiting()).toMatchObject({ status: 'waiting', waitingFor: 'ask.decision' })
})

test('a model that never answers well fails the review, and nothing was done', async () => {
  await local('model', 'faults', { rules: [{ status: 400 }] })
  const one = await startOne(agentReview, 'guide')
  expect(await one.run()).toMatchObject({ status: 'failed', error: { name: 'Model400', step: 'moderate' } })
  expect(await agent()).toMatchObject({ review: 'submitted' })
  expect(await subjects()).toEqual([])
})

test('an agent that is submitted again as it was is reviewed again', async () => {
  const workflow = judged('reject')
  const one = await startOne(workflow, 'guide')
  expect(await one.run()).toMatchObject({ status: 'succeeded' })
  await one.services.db.update(agents).set({ review: 'submitted' })
  const app = rounds([workflow])
  const { id } = await app.start('agent-review')
  await app.deliver()
  expect(await app.batch(id)).toMatchObject({ counts: { recorded: 1, succeeded: 1 } })
  expect(await subjects()).toEqual([refused, refused])
})

test('an agent that was withdrawn meanwhile is skipped', async () => {
  const one = await startOne(agentReview, 'guide')
  await one.services.db.update(agents).set({ review: 'none' })
  expect(await one.run()).toMatchObject({ status: 'skipped' })
})
