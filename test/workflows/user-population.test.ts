import { beforeEach, describe, expect, test } from 'vitest'
import { resetEverything, rounds } from '../support/rounds.ts'
import { addUser, subscribe } from './records.ts'
import { idsIn, planned, runBatch } from './runs.ts'

beforeEach(resetEverything)

const workflow = 'welcome-placeholder'

describe('who gets placeholders', () => {
  test('is every active user, with or without interests, and nobody else', async () => {
    const app = rounds()
    const { db } = app.services
    await addUser(db, 'active')
    await addUser(db, 'idle', { interests: [], lastActiveAt: new Date('2020-01-01') })
    await addUser(db, 'suspended', { status: 'suspended' })
    await addUser(db, 'deleted', { status: 'deleted' })

    const plan = await planned(app, workflow)
    expect(plan).toMatchObject({
      totalEligible: 2,
      alreadyProcessed: 0,
      toProcess: 2,
      sample: ['active', 'idle'],
    })
    const batch = await runBatch(app, workflow)
    expect(batch).toMatchObject({ status: 'completed', plan: { totalEligible: 2, toProcess: 2 } })
    expect(await idsIn(app, batch.id)).toEqual(['active', 'idle'])
  })

  test('is nobody when there is no user: the batch completes at once', async () => {
    const app = rounds()
    expect(await planned(app, workflow)).toMatchObject({ totalEligible: 0, toProcess: 0, sample: [] })
    expect(await runBatch(app, workflow)).toMatchObject({ status: 'completed', counts: { recorded: 0 } })
  })
})

describe('who gets placeholders when only those who pay do', () => {
  const paying = { params: { paidOnly: true } }

  test('is who has an active subscription to a plan that costs something', async () => {
    const app = rounds()
    const { db } = app.services
    const subscriptions = {
      starter: [{ plan: 'starter', status: 'active' }],
      pro: [{ plan: 'pro', status: 'active' }],
      team: [{ plan: 'team', status: 'active' }],
      free: [{ plan: 'free', status: 'active' }],
      canceled: [{ plan: 'pro', status: 'canceled' }],
      overdue: [{ plan: 'pro', status: 'past_due' }],
      trialing: [{ plan: 'pro', status: 'trialing' }],
      returned: [
        { plan: 'pro', status: 'canceled' },
        { plan: 'free', status: 'active' },
        { plan: 'starter', status: 'active' },
      ],
      lapsed: [
        { plan: 'pro', status: 'canceled' },
        { plan: 'free', status: 'active' },
      ],
      twice: [
        { plan: 'pro', status: 'active' },
        { plan: 'team', status: 'active' },
      ],
    } as const
    for (const [id, all] of Object.entries(subscriptions)) {
      await addUser(db, id)
      await subscribe(db, id, ...all)
    }
    await addUser(db, 'none')
    await addUser(db, 'suspended', { status: 'suspended' })
    await subscribe(db, 'suspended', { plan: 'pro', status: 'active' })

    const payers = ['pro', 'returned', 'starter', 'team', 'twice']
    expect(await planned(app, workflow, paying)).toMatchObject({ totalEligible: 5, sample: payers })
    const batch = await runBatch(app, workflow, paying)
    expect(await idsIn(app, batch.id)).toEqual(payers)
  })

  test('leaves the others for a later batch over everyone, which does not repeat the first', async () => {
    const app = rounds()
    for (const id of ['ada', 'bob']) await addUser(app.services.db, id)
    await subscribe(app.services.db, 'bob', { plan: 'pro', status: 'active' })
    expect(await idsIn(app, (await runBatch(app, workflow, paying)).id)).toEqual(['bob'])

    expect(await planned(app, workflow)).toMatchObject({
      totalEligible: 2,
      alreadyProcessed: 1,
      toProcess: 1,
    })
    expect(await idsIn(app, (await runBatch(app, workflow)).id)).toEqual(['ada'])
  })
})
