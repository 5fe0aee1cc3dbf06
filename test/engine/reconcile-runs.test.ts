import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { isItem, qstash, type PendingDelivery } from '../support/deliveries.ts'
import { userId } from '../support/population.ts'
import { forgetting, isChunk, isItemOf, isPage, isProcess, reconciling } from '../support/reconciling.ts'
import { resetEverything } from '../support/rounds.ts'

beforeEach(resetEverything)

type Batch = Awaited<ReturnType<typeof reconciling>>

/** Every user was worked on once, and the batch is done. */
async function expectDone({ deliver, now, worked }: Batch, users: number) {
  await deliver()
  expect(await now()).toMatchObject({ status: 'completed', counts: { recorded: users, succeeded: users } })
  expect(worked.toSorted()).toEqual(Array.from({ length: users }, (_, index) => userId(index + 1)))
}

describe('a run that is lost without a trace', () => {
  test('of layer 1 is triggered again, and the log of changes says so', async () => {
    const batch = await reconciling(3)
    await batch.deliver({ fate: forgetting(isProcess) })
    expect(await batch.now()).toMatchObject({ status: 'starting' })
    await batch.tick()
    const healed = [
      { action: 'heal.start', actor: 'rounds', workflow: 'toy', reason: null, after: { attempt: 2 } },
    ]
    expect(await batch.heals()).toEqual(healed)
    await batch.tick()
    expect(await batch.heals()).toEqual(healed)
    await expectDone(batch, 3)
  })

  test.each([1, 2, 3])('of layer 2 for page %i is triggered again', async (page) => {
    const batch = await reconciling(24)
    await batch.deliver({ fate: forgetting(isPage(page)) })
    expect(await batch.now()).toMatchObject({ status: 'running', pages: page - 1 })
    await batch.tick()
    await batch.tick()
    expect(await batch.heals()).toMatchObject([{ action: 'heal.page', after: { page, attempt: 2 } }])
    await expectDone(batch, 24)
  })

  test('of layer 2 after its page was recorded is made up for, items and next page', async () => {
    const batch = await reconciling(12)
    const recordOnly = (delivery: PendingDelivery) =>
      batch.cutOff.worker(new Request(delivery.url, { ...delivery }))
    await batch.deliver({ fate: forgetting(isPage(1), recordOnly) })
    expect(await batch.now()).toMatchObject({ pages: 1, counts: { queued: 10 } })
    await batch.tick()
    await batch.tick()
    const actions = await batch.actions()
    expect(actions.filter((action) => action === 'heal.page').length).toBe(1)
    expect(actions.filter((action) => action === 'heal.item').length).toBe(10)
    expect(actions.length).toBe(11)
    await expectDone(batch, 12)
  })

  test('of layer 2 that an item made room for is triggered again', async () => {
    const batch = await reconciling(5, { maxOutstanding: 2 })
    await batch.deliver({ fate: forgetting(isPage(2)) })
    expect(await batch.now()).toMatchObject({ status: 'running', counts: { succeeded: 2 } })
    await batch.tick()
    expect(await batch.heals()).toMatchObject([{ action: 'heal.page', after: { page: 2 } }])
    await expectDone(batch, 5)
  })

  test('of a chunk gives its items new runs', async () => {
    const batch = await reconciling(10)
    await batch.deliver({ fate: forgetting(isChunk) })
    expect(await batch.now()).toMatchObject({ counts: { succeeded: 4, queued: 6 } })
    await batch.tick()
    await batch.tick()
    expect(await batch.actions()).toEqual(Array.from({ length: 6 }, () => 'heal.item'))
    await expectDone(batch, 10)
  })

  test.each([2, 9, 12])('of item %i, before its first delivery, gives that item a new run', async (n) => {
    const batch = await reconciling(12)
    await batch.deliver({ fate: forgetting(isItemOf(userId(n))) })
    expect(await batch.now()).toMatchObject({ counts: { succeeded: 11, queued: 1 } })
    await batch.tick()
    await batch.tick()
    expect(await batch.heals()).toMatchObject([
      { action: 'heal.item', actor: 'rounds', after: { itemId: userId(n), attempt: 2 } },
    ])
    await expectDone(batch, 12)
  })

  test('with its worker gives the item a new run, but not while that worker may live', async () => {
    const batch = await reconciling(3)
    await batch.deliver({ fate: forgetting(isItemOf(userId(2)), (delivery) => batch.die(delivery, 3600)) })
    await batch.tick()
    expect(await batch.heals()).toEqual([])
    expect(await batch.now()).toMatchObject({ counts: { running: 1 } })

    await batch.services.db.execute(sql`update batch_items set lease_until = now() where status = 'running'`)
    await batch.tick()
    expect(await batch.now()).toMatchObject({ counts: { running: 0, queued: 1 } })
    expect(await batch.heals()).toMatchObject([{ after: { itemId: userId(2), attempt: 2 } }])
    await expectDone(batch, 3)
  })

  test('between two tries gives the item a new run', async () => {
    let failed = false
    const batch = await reconciling(2, {
      work: (_, id) => {
        if (failed || id !== userId(1)) return Promise.resolve({ text: id })
        failed = true
        return Promise.reject(new Error('not yet'))
      },
    })
    await batch.deliver({
      fate: forgetting((delivery) => isItemOf(userId(1))(delivery) && failed),
    })
    expect(await batch.now()).toMatchObject({ counts: { succeeded: 1, queued: 1 } })
    await batch.tick()
    expect(await batch.heals()).toMatchObject([{ action: 'heal.item', after: { itemId: userId(1) } }])
    await batch.deliver()
    expect(await batch.now()).toMatchObject({ status: 'completed', counts: { succeeded: 2 } })
  })

  test('together with all others: QStash has lost its memory', async () => {
    const batch = await reconciling(20)
    await batch.deliver({ concurrency: 1, until: () => batch.worked.length >= 6 })
    await qstash('/local/reset')
    await batch.tick()
    await expectDone(batch, 20)
  })

  test('when the run had saved its item is not missed', async () => {
    const batch = await reconciling(3)
    const work = (delivery: PendingDelivery) => batch.worker(new Request(delivery.url, { ...delivery }))
    await batch.deliver({ fate: forgetting(isItem, work) })
    await batch.tick()
    expect(await batch.heals()).toEqual([])
    await expectDone(batch, 3)
  })
})
