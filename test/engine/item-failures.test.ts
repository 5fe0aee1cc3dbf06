import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { reconcile } from '../../src/engine/reconcile.ts'
import {
  isFailureCallback,
  isItem,
  payloadOf,
  type Fate,
  type PendingDelivery,
} from '../support/deliveries.ts'
import { insertUsers } from '../support/population.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { started } from '../support/started.ts'
import { toyWorkflow } from '../support/toy.ts'

beforeEach(resetEverything)

/** Loses every delivery of the runs that `which` picks, but not what QStash says of them afterwards. */
const losing =
  (which: (delivery: PendingDelivery) => boolean) =>
  (delivery: PendingDelivery): Fate =>
    !isFailureCallback(delivery) && which(delivery) ? 'lost' : 'normal'

/** Loses every delivery of the first item's run, after what `meanwhile` does; the others come as usual. */
function firstRun(meanwhile: (delivery: PendingDelivery) => Promise<unknown>) {
  let victim: string | undefined
  return async (delivery: PendingDelivery): Promise<Fate> => {
    if (isFailureCallback(delivery) || !isItem(delivery)) return 'normal'
    victim ??= delivery.headers['upstash-workflow-runid']
    if (delivery.headers['upstash-workflow-runid'] !== victim) return 'normal'
    await meanwhile(delivery)
    return 'lost'
  }
}

describe('a run of layer 3 that fails for good', () => {
  test('whose worker died over its item each time fails that item, and no other', async () => {
    const { deliver, now, call, id, die } = await started(10)
    const fate = firstRun((delivery) => die(delivery, 0))
    await deliver({ concurrency: 1, fate })
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 9, failed: 1 } })
    expect((await call('GET', `/api/admin/batches/${id}/items?status=failed`)).body).toMatchObject({
      data: [{ error: { name: 'RunFailed', message: expect.any(String) } }],
    })
  })

  test('whose worker may still be at work waits for it, holds nobody up, and is failed by a later tick', async () => {
    const { deliver, now, services, toy, worked, die } = await started(3)
    let poison: string | undefined
    let reports = 0
    await deliver({
      concurrency: 1,
      async fate(delivery): Promise<Fate> {
        if (!isItem(delivery)) return 'normal'
        if (isFailureCallback(delivery)) {
          reports += 1
          return 'normal'
        }
        const run = delivery.headers['upstash-workflow-runid']
        poison ??= run
        if (run !== poison) return 'normal'
        await die(delivery, 3600)
        return 'lost'
      },
    })
    expect(reports).toBe(4)
    expect(await now()).toMatchObject({
      status: 'running',
      counts: { running: 1, failed: 0, succeeded: 2 },
    })
    await reconcile(services, [toy], { graceSeconds: 0 })
    expect(await now()).toMatchObject({ status: 'running', counts: { running: 1, failed: 0 } })

    await services.db.execute(sql`update batch_items set lease_until = now() where status = 'running'`)
    await reconcile(services, [toy], { graceSeconds: 0 })
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 2, failed: 1 } })
    expect(worked.length).toBe(2)
  })

  test('that never reached its item pauses the batch, and resuming works on it', async () => {
    const { deliver, now, act, worked } = await started(10)
    await deliver({ fate: losing(({ url }) => url.endsWith('/execute-user')) })
    expect(await now()).toMatchObject({
      status: 'paused',
      reason: expect.stringContaining('was lost'),
      counts: { queued: 10, failed: 0 },
    })
    await act('resume')
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 10 } })
    expect(worked.length).toBe(10)
  })

  test('that never reached its item is not taken for the error of an earlier attempt', async () => {
    let tries = 0
    const app = rounds([
      toyWorkflow(() => {
        tries += 1
        return tries === 1 ? Promise.reject(new Error('not yet')) : Promise.resolve({ text: '' })
      }),
    ])
    await insertUsers(app.services.db, 1)
    const { id } = await app.start('toy')
    const act = (action: string) => app.call('POST', `/api/admin/batches/${id}/${action}`)
    await app.deliver({ concurrency: 1, until: () => tries === 1 })
    await act('pause')
    await app.deliver()
    await act('resume')
    await app.deliver({ fate: losing(({ url }) => url.endsWith('/execute-user')) })
    expect(await app.batch(id)).toMatchObject({ status: 'paused', counts: { queued: 1, failed: 0 } })
    await act('resume')
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 1 } })
  })

  test('that had made room still has the next page read', async () => {
    const { deliver, now, die } = await started(3, { maxOutstanding: 1 })
    const fate = firstRun((delivery) => die(delivery, 0))
    await deliver({ concurrency: 1, fate })
    expect(await now()).toMatchObject({
      status: 'completed',
      counts: { recorded: 3, failed: 1, succeeded: 2 },
    })
  })

  test('that saved its item but could not trigger the next page has it triggered afterwards', async () => {
    const { cutOff, deliver, now, worked } = await started(3, { maxOutstanding: 1 })
    const fate = firstRun(async (delivery) => {
      await cutOff.worker(new Request(delivery.url, { ...delivery }))
    })
    await deliver({ concurrency: 1, fate })
    expect(await now()).toMatchObject({ status: 'completed', counts: { recorded: 3, succeeded: 3 } })
    expect(worked.length).toBe(3)
  })

  test('after its item was saved takes nothing back', async () => {
    const { deliver, now } = await started(5)
    await deliver({
      fate: (delivery) =>
        delivery.url.endsWith('/execute-user') && !isFailureCallback(delivery) ? 'unanswered' : 'normal',
    })
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 5, failed: 0 } })
  })

  test('that resuming had replaced changes nothing', async () => {
    const { act, deliver, now, send, worked } = await started(2)
    await deliver({ concurrency: 1, until: () => worked.length === 1 })
    await act('pause')
    await act('resume')
    await send('execute-user', { userId: 'u000002', attempt: 1 })
    let reports = 0
    await deliver({
      fate(delivery): Fate {
        if (isFailureCallback(delivery)) {
          reports += 1
          return 'normal'
        }
        return Reflect.get(Object(payloadOf(delivery)), 'attempt') === 1 ? 'lost' : 'normal'
      },
    })
    expect(reports).toBeGreaterThan(0)
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 2 } })
    expect(worked.length).toBe(2)
  })
})
