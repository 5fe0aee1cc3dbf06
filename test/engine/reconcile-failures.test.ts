import { beforeEach, describe, expect, test } from 'vitest'
import { isFailureCallback, type Fate } from '../support/deliveries.ts'
import { userId } from '../support/population.ts'
import {
  forget,
  isChunk,
  isItemOf,
  isPage,
  isProcess,
  reconciling,
  silencing,
} from '../support/reconciling.ts'
import { resetEverything } from '../support/rounds.ts'

beforeEach(resetEverything)

describe('a run that failed and whose report of that is lost', () => {
  test('fails the item that its workers died over, with the reason', async () => {
    const { deliver, die, now, call, id, tick, heals, worked } = await reconciling(10)
    const fate = silencing(isItemOf(userId(4)), (delivery) => die(delivery, 0))
    await deliver({ concurrency: 1, fate })
    expect(await now()).toMatchObject({ status: 'running', counts: { succeeded: 9, running: 1 } })

    await Promise.all([tick(), tick()])
    await tick()
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 9, failed: 1 } })
    const reason = 'connection reset'
    expect(await heals()).toMatchObject([
      {
        action: 'heal.failure-report',
        actor: 'rounds',
        reason,
        after: { layer: 'execute', itemId: userId(4), attempt: 1, reason },
      },
    ])
    expect((await call('GET', `/api/admin/batches/${id}/items?status=failed`)).body).toMatchObject({
      data: [{ id: userId(4), error: { name: 'RunFailed', message: reason } }],
    })
    expect(worked.length).toBe(9)
  })

  test('has the next page read when the item had made room for it', async () => {
    const { deliver, die, now, tick, worked } = await reconciling(3, { maxOutstanding: 1 })
    await deliver({ concurrency: 1, fate: silencing(isItemOf(userId(1)), (delivery) => die(delivery, 0)) })
    await tick()
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 2, failed: 1 } })
    expect(worked).toEqual([userId(2), userId(3)])
  })

  test('pauses the batch when no delivery ever reached the item, and resuming works on it', async () => {
    const { deliver, now, act, tick, heals, worked } = await reconciling(10)
    await deliver({ fate: silencing(isItemOf(userId(4))) })
    await tick()
    expect(await now()).toMatchObject({
      status: 'paused',
      pausedBy: 'lost_run',
      reason: expect.stringContaining(`the run of item ${userId(4)} was lost`),
    })
    expect(await heals()).toMatchObject([{ action: 'heal.failure-report' }])
    await act('resume')
    await tick()
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 10 } })
    expect(worked.length).toBe(10)
    expect((await heals()).length).toBe(1)
  })

  test.each([1, 2])('pauses the batch when it had to read page %i', async (page) => {
    const { deliver, now, act, tick, heals, worked } = await reconciling(12)
    await deliver({ fate: silencing(isPage(page)) })
    expect(await now()).toMatchObject({ status: 'running' })
    await tick()
    await tick()
    expect(await now()).toMatchObject({ status: 'paused', reason: 'connection reset' })
    expect(await heals()).toMatchObject([{ after: { layer: 'paginate', page, attempt: 1 } }])
    await act('resume')
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 12 } })
    expect(worked.length).toBe(12)
  })

  test('pauses the batch when it had to trigger the page after its own', async () => {
    const { deliver, now, act, cutOff, tick, heals, worked } = await reconciling(12)
    const recordOnly = silencing(isPage(1), (delivery) =>
      cutOff.worker(new Request(delivery.url, { ...delivery })),
    )
    await deliver({ fate: recordOnly, concurrency: 1 })
    await tick()
    expect(await now()).toMatchObject({ status: 'paused', pages: 1, counts: { queued: 10 } })
    expect(await heals()).toMatchObject([{ after: { layer: 'paginate', page: 1 } }])
    await act('resume')
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 12 } })
    expect(worked.length).toBe(12)
  })

  test('of a chunk gives its items new runs', async () => {
    const { deliver, now, tick, actions, worked } = await reconciling(10)
    await deliver({ fate: silencing(isChunk) })
    await tick()
    expect(await actions()).toEqual(Array.from({ length: 6 }, () => 'heal.item'))
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 10 } })
    expect(worked.length).toBe(10)
  })

  test('fails the batch when it was layer 1, and the next one may start', async () => {
    const { deliver, now, start, tick, heals, worked } = await reconciling(3)
    await deliver({ fate: silencing(isProcess) })
    expect(await now()).toMatchObject({ status: 'starting' })
    await tick()
    await tick()
    expect(await now()).toMatchObject({ status: 'failed', reason: 'connection reset' })
    expect(await heals()).toMatchObject([{ after: { layer: 'process', attempt: 1 } }])
    await start('toy')
    await deliver()
    expect(worked.length).toBe(3)
  })

  test('pauses the batch when it was layer 1 and the batch had begun', async () => {
    const { deliver, now, tick, heals } = await reconciling(3)
    let begun = false
    await deliver({
      concurrency: 1,
      async fate(delivery): Promise<Fate> {
        if (!begun) {
          begun = true
          return 'unanswered'
        }
        if (!isFailureCallback(delivery) && isPage(1)(delivery)) await forget(delivery)
        return 'lost'
      },
    })
    expect(await now()).toMatchObject({ status: 'running', pages: 0 })
    await tick()
    expect(await now()).toMatchObject({ status: 'paused', pausedBy: 'lost_run' })
    expect(await heals()).toMatchObject([{ after: { layer: 'process' } }])
  })

  test('with the run itself has its item tried again', async () => {
    const { deliver, die, now, tick, heals, worked } = await reconciling(3)
    await deliver({
      concurrency: 1,
      async fate(delivery): Promise<Fate> {
        if (!isFailureCallback(delivery) && !isItemOf(userId(2))(delivery)) return 'normal'
        if (isFailureCallback(delivery)) await forget(delivery)
        else await die(delivery, 0)
        return 'lost'
      },
    })
    await tick()
    expect(await heals()).toMatchObject([{ action: 'heal.item', after: { itemId: userId(2), attempt: 2 } }])
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 3 } })
    expect(worked.length).toBe(3)
  })
})

describe('a run that failed', () => {
  test('is left to its report while that is still on the way', async () => {
    const { deliver, die, now, tick, heals } = await reconciling(3)
    let reports = 0
    await deliver({
      concurrency: 1,
      until: () => reports === 1,
      async fate(delivery): Promise<Fate> {
        if (isFailureCallback(delivery)) reports += 1
        else if (isItemOf(userId(2))(delivery)) await die(delivery, 0)
        else return 'normal'
        return 'lost'
      },
    })
    await tick()
    expect(await heals()).toEqual([])
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 2, failed: 1 } })
  })
})
