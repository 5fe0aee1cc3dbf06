import { beforeEach, describe, expect, test } from 'vitest'
import { isFailureCallback, payloadOf, type Fate, type PendingDelivery } from '../support/deliveries.ts'
import { userId } from '../support/population.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { started } from '../support/started.ts'
import { defaultPages, toyWorkflow } from '../support/toy.ts'

beforeEach(resetEverything)

const isProcess = ({ url }: PendingDelivery) => url.endsWith('/process-users')

const isChunk = (delivery: PendingDelivery) =>
  delivery.url.endsWith('/paginate-users') && Object.hasOwn(Object(payloadOf(delivery)), 'userIds')

/** Loses every delivery of the runs that `which` picks, but not what QStash says of them afterwards. */
const losing =
  (which: (delivery: PendingDelivery) => boolean) =>
  (delivery: PendingDelivery): Fate =>
    !isFailureCallback(delivery) && which(delivery) ? 'lost' : 'normal'

describe('a run that fails for good', () => {
  test('of layer 1 fails the batch, and the next one may start', async () => {
    const { deliver, now, start, worked } = await started(3)
    await deliver({ fate: losing(({ url }) => url.endsWith('/process-users')) })
    expect(await now()).toMatchObject({
      status: 'failed',
      reason: expect.any(String),
      counts: { recorded: 0 },
    })
    await start('toy')
    await deliver()
    expect(worked.length).toBe(3)
  })

  test('of layer 1 after the batch began pauses it, and resuming finishes it', async () => {
    const { deliver, now, act, worked } = await started(3)
    const seen = new Set<string>()
    await deliver({
      concurrency: 1,
      fate(delivery): Fate {
        if (isFailureCallback(delivery) || !delivery.url.endsWith('/process-users')) {
          // Page 1 never arrives either, so that nothing but the failed run is left.
          return delivery.url.endsWith('/paginate-users') && !isFailureCallback(delivery) ? 'lost' : 'normal'
        }
        if (seen.has('begun')) return 'lost'
        seen.add('begun')
        return 'unanswered'
      },
    })
    expect(await now()).toMatchObject({ status: 'paused', reason: expect.any(String) })
    await act('resume')
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 3 } })
    expect(worked.length).toBe(3)
  })

  test('of layer 1 while its batch is well under way leaves the batch alone', async () => {
    const { worker, deliver, now, worked } = await started(3)
    let begun = false
    await deliver({
      concurrency: 1,
      async fate(delivery): Promise<Fate> {
        if (!isProcess(delivery) || isFailureCallback(delivery)) return 'normal'
        if (!begun) await worker(new Request(delivery.url, { ...delivery }))
        begun = true
        return 'lost'
      },
    })
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 3 } })
    expect(worked.length).toBe(3)
  })

  test('of layer 1 before it opened a batch leaves nothing behind', async () => {
    const app = rounds([toyWorkflow(() => Promise.resolve({ text: '' }))])
    await app.services.client.trigger({
      url: 'https://rounds.test/api/workflows/toy/process-users',
      body: {},
    })
    const delivered = await app.deliver({ fate: losing(() => true) })
    expect(delivered.map(({ status }) => status)).toEqual([200])
    expect((await app.call('GET', '/api/admin/batches')).body).toEqual({ data: [], nextCursor: null })
  })

  test('of layer 2 before its page is recorded pauses the batch, and resuming finishes it', async () => {
    const { deliver, now, act, worked } = await started(120, defaultPages)
    let pages = 0
    await deliver({
      fate: losing(({ url, body }) => {
        pages += url.endsWith('/paginate-users') && body.length < 400 ? 1 : 0
        return url.endsWith('/paginate-users') && pages > 2
      }),
      concurrency: 1,
    })
    expect(await now()).toMatchObject({ status: 'paused', reason: expect.any(String) })
    await act('resume')
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { recorded: 120, succeeded: 120 } })
    expect(worked.length).toBe(120)
  })

  test('of layer 2 after its page was recorded loses none of its items', async () => {
    const { cutOff, deliver, now, act, worked } = await started(12)
    await deliver({
      concurrency: 1,
      async fate(delivery): Promise<Fate> {
        if (isFailureCallback(delivery) || !delivery.url.endsWith('/paginate-users')) return 'normal'
        await cutOff.worker(new Request(delivery.url, { ...delivery }))
        return 'lost'
      },
    })
    expect(await now()).toMatchObject({ status: 'paused', counts: { recorded: 10, queued: 10 } })
    await act('resume')
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { recorded: 12, succeeded: 12 } })
    expect(worked.length).toBe(12)
  })

  test('of layer 2 because QStash refuses some of its messages pauses the batch and says so', async () => {
    const { deliver, now, worked } = await started(10, {
      layers: {
        process: { retries: 3, retryDelay: '0', flowControl: { parallelism: 1, rate: 1 } },
        paginate: { retries: 3, retryDelay: '0', flowControl: { parallelism: 1, rate: 1 } },
        // Beyond the plan's quota.
        execute: { retries: 1_000_000, retryDelay: '0', flowControl: { parallelism: 1, rate: 1 } },
      },
    })
    await deliver()
    expect(await now()).toMatchObject({ status: 'paused', reason: expect.stringContaining('over quota') })
    expect(worked).toEqual([])
  })

  test('of layer 2 after it could trigger everything but the next page pauses the batch', async () => {
    const { cutOff, deliver, now, act, send, worked } = await started(12)
    const sendItem = (n: number) => send('execute-user', { userId: userId(n), attempt: 1 })
    const itemsOf = new Set<string>()
    await deliver({
      concurrency: 1,
      async fate(delivery): Promise<Fate> {
        if (isFailureCallback(delivery) || !Object.hasOwn(Object(payloadOf(delivery)), 'page'))
          return 'normal'
        const run = delivery.headers['upstash-workflow-runid'] ?? ''
        // Its items have their runs; the page after it has none.
        if (itemsOf.has(run)) return 'lost'
        itemsOf.add(run)
        await cutOff.worker(new Request(delivery.url, { ...delivery }))
        for (let n = 1; n <= 10; n += 1) await sendItem(n)
        return 'lost'
      },
    })
    expect(await now()).toMatchObject({ status: 'paused', counts: { recorded: 10, succeeded: 10 } })
    await act('resume')
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 12 } })
    expect(worked.length).toBe(12)
  })

  test('of a chunk pauses the batch, and resuming works on just its items', async () => {
    const { deliver, now, act, worked } = await started(10)
    await deliver({ fate: losing(isChunk) })
    expect(await now()).toMatchObject({ status: 'paused', counts: { succeeded: 4, queued: 6 } })
    await act('resume')
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 10 } })
    expect(worked.length).toBe(10)
  })
})
