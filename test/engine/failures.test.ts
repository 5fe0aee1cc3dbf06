import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { payloadOf, type Fate, type PendingDelivery } from '../support/deliveries.ts'
import { userId } from '../support/population.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { started } from '../support/started.ts'
import { toyWorkflow } from '../support/toy.ts'

beforeEach(resetEverything)

const isFailureCallback = ({ headers }: PendingDelivery) => headers['upstash-workflow-is-failure'] === 'true'

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
    const { deliver, now, worked } = await started(3)
    await deliver({
      fate: (delivery) => (isProcess(delivery) && !isFailureCallback(delivery) ? 'unanswered' : 'normal'),
    })
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 3 } })
    expect(worked.length).toBe(3)
  })

  test('of layer 1 before it opened a batch leaves nothing behind', async () => {
    const app = rounds([toyWorkflow(() => Promise.resolve({ text: '' }))])
    await app.services.qstash.trigger({
      url: 'https://rounds.test/api/workflows/toy/process-users',
      body: {},
    })
    const delivered = await app.deliver({ fate: losing(() => true) })
    expect(delivered.map(({ status }) => status)).toEqual([200])
    expect((await app.call('GET', '/api/admin/batches')).body).toEqual({ data: [], nextCursor: null })
  })

  test('of layer 2 before its page is recorded pauses the batch, and resuming finishes it', async () => {
    const { deliver, now, act, worked } = await started(120)
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
    const { cutOff, deliver, now, act, worked } = await started(60)
    await deliver({
      concurrency: 1,
      async fate(delivery): Promise<Fate> {
        if (isFailureCallback(delivery) || !delivery.url.endsWith('/paginate-users')) return 'normal'
        await cutOff.worker(new Request(delivery.url, { ...delivery }))
        return 'lost'
      },
    })
    expect(await now()).toMatchObject({ status: 'paused', counts: { recorded: 50, queued: 50 } })
    await act('resume')
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { recorded: 60, succeeded: 60 } })
    expect(worked.length).toBe(60)
  })

  test('of layer 2 because QStash refuses some of its messages pauses the batch and says so', async () => {
    const { deliver, now, worked } = await started(50, {
      layers: {
        process: { retries: 3, retryDelay: '0', flowControl: { parallelism: 1, rate: 1 } },
        paginate: { retries: 3, retryDelay: '0', flowControl: { parallelism: 1, rate: 1 } },
        // Beyond the plan's quota.
        execute: { retries: 1_000_000, retryDelay: '0', flowControl: { parallelism: 1, rate: 1 } },
      },
    })
    await deliver()
    expect(await now()).toMatchObject({ status: 'paused', reason: expect.stringContaining('refused') })
    expect(worked).toEqual([])
  })

  test('of a chunk pauses the batch, and resuming works on just its items', async () => {
    const { deliver, now, act, worked } = await started(50)
    await deliver({ fate: losing(isChunk) })
    expect(await now()).toMatchObject({ status: 'paused', counts: { succeeded: 20, queued: 30 } })
    await act('resume')
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 50 } })
    expect(worked.length).toBe(50)
  })

  test('of layer 3 whose worker died over its item each time fails that item, and no other', async () => {
    const { deliver, now, call, id, services } = await started(10)
    let victim: string | undefined
    await deliver({
      concurrency: 1,
      async fate(delivery): Promise<Fate> {
        if (isFailureCallback(delivery) || !delivery.url.endsWith('/execute-user')) return 'normal'
        victim ??= delivery.headers['upstash-workflow-runid']
        if (delivery.headers['upstash-workflow-runid'] !== victim) return 'normal'
        await services.db.execute(sql`
          update batch_items set status = 'running', token = gen_random_uuid(), lease_until = now() + interval '1 hour'
          where item_id = ${String(Reflect.get(Object(payloadOf(delivery)), 'userId'))}`)
        return 'lost'
      },
    })
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 9, failed: 1 } })
    expect((await call('GET', `/api/admin/batches/${id}/items?status=failed`)).body).toMatchObject({
      data: [{ error: { name: 'RunFailed', message: expect.any(String) } }],
    })
  })

  test('of layer 3 that never reached its item pauses the batch, and resuming works on it', async () => {
    const { deliver, now, act, worked } = await started(10)
    await deliver({ fate: losing(({ url }) => url.endsWith('/execute-user')) })
    expect(await now()).toMatchObject({
      status: 'paused',
      reason: expect.stringContaining('no delivery reached item'),
      counts: { queued: 10, failed: 0 },
    })
    await act('resume')
    await deliver()
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 10 } })
    expect(worked.length).toBe(10)
  })

  test('of layer 3 that had made room still has the next page read', async () => {
    const { deliver, now, services } = await started(3, { maxOutstanding: 1 })
    let victim: string | undefined
    await deliver({
      concurrency: 1,
      async fate(delivery): Promise<Fate> {
        if (isFailureCallback(delivery) || !delivery.url.endsWith('/execute-user')) return 'normal'
        victim ??= delivery.headers['upstash-workflow-runid']
        if (delivery.headers['upstash-workflow-runid'] !== victim) return 'normal'
        await services.db.execute(sql`
          update batch_items set status = 'running', token = gen_random_uuid(), lease_until = now() + interval '1 hour'`)
        return 'lost'
      },
    })
    expect(await now()).toMatchObject({
      status: 'completed',
      counts: { recorded: 3, failed: 1, succeeded: 2 },
    })
  })

  test('of layer 3 that saved its item but could not trigger the next page has it triggered afterwards', async () => {
    const { cutOff, deliver, now, worked } = await started(3, { maxOutstanding: 1 })
    let victim: string | undefined
    await deliver({
      concurrency: 1,
      async fate(delivery): Promise<Fate> {
        if (isFailureCallback(delivery) || !delivery.url.endsWith('/execute-user')) return 'normal'
        victim ??= delivery.headers['upstash-workflow-runid']
        if (delivery.headers['upstash-workflow-runid'] !== victim) return 'normal'
        await cutOff.worker(new Request(delivery.url, { ...delivery }))
        return 'lost'
      },
    })
    expect(await now()).toMatchObject({ status: 'completed', counts: { recorded: 3, succeeded: 3 } })
    expect(worked.length).toBe(3)
  })

  test('of layer 3 after its item was saved takes nothing back', async () => {
    const { deliver, now } = await started(5)
    await deliver({
      fate: (delivery) =>
        delivery.url.endsWith('/execute-user') && !isFailureCallback(delivery) ? 'unanswered' : 'normal',
    })
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 5, failed: 0 } })
  })
})

describe('a run with a wrong payload', () => {
  const unknown = '00000000-0000-7000-8000-000000000000'
  test.each([
    ['process-users', { batchId: 'x' }],
    ['process-users', { batchId: unknown, dryRun: true }],
    ['process-users', { limit: 3_000_000_000 }],
    ['process-users', { batchId: unknown }],
    ['paginate-users', {}],
    ['paginate-users', { batchId: unknown, page: 1 }],
    ['paginate-users', { batchId: unknown, userIds: ['a'] }],
    ['paginate-users', { batchId: unknown, page: 0 }],
    ['paginate-users', { batchId: unknown, userIds: [] }],
    ['paginate-users', { batchId: unknown, page: 1, userIds: ['a'] }],
    ['execute-user', { batchId: unknown, userId: 'a', attempt: 1 }],
    ['execute-user', { batchId: unknown, attempt: 1 }],
    ['execute-user', { batchId: unknown, userId: 7, attempt: 1 }],
  ])('to %s %j goes to the dead letter queue at once', async (segment, body) => {
    const app = rounds([toyWorkflow(() => Promise.resolve({ text: '' }))])
    await app.services.qstash.trigger({ url: `https://rounds.test/api/workflows/toy/${segment}`, body })
    const delivered = await app.deliver()
    expect(delivered.map(({ status }) => status)).toEqual([489, 200])
  })

  test('for a page that nothing leads to yet leaves the batch alone', async () => {
    const { deliver, now, send, worked } = await started(3)
    await send('paginate-users', { page: 3 })
    const delivered = await deliver({ concurrency: 1 })
    expect(delivered.every(({ status }) => status === 200)).toBe(true)
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 3 } })
    expect(worked.length).toBe(3)
  })

  test('that names the batch of another workflow goes there too, and that batch is left alone', async () => {
    const other = toyWorkflow(() => Promise.resolve({ text: '' }), { name: 'other' })
    const { id, toy, now } = await started(3)
    const app = rounds([toy, other])
    for (const [segment, body] of [
      ['process-users', { batchId: id }],
      ['paginate-users', { batchId: id, page: 1 }],
      ['paginate-users', { batchId: id, userIds: [userId(1)] }],
      ['execute-user', { batchId: id, userId: userId(1), attempt: 1 }],
    ] as const) {
      await app.services.qstash.trigger({ url: `https://rounds.test/api/workflows/other/${segment}`, body })
    }
    const delivered = await app.deliver()
    expect(delivered.filter(({ status }) => status === 489).length).toBe(4)
    expect(await now()).toMatchObject({ status: 'completed', counts: { recorded: 3, succeeded: 3 } })
  })
})
