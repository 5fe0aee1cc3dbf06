import { expect, test } from 'vitest'
import { startBench } from './support.ts'

const until = async (bench: Awaited<ReturnType<typeof startBench>>) =>
  bench.qstash.idle({ ignoreDelayed: true })

test('a notification ends every wait for the event and carries its data', async () => {
  const bench = await startBench()
  const results: unknown[] = []
  const url = bench.workflow('/wait', async (context) => {
    const { eventData, timeout } = await context.waitForEvent('order', 'order-1', { timeout: '1h' })
    results.push({ eventData, timeout, user: context.headers.get('x-user') })
  })
  await bench.client.trigger([1, 2].map((body) => ({ url, body, headers: { 'x-user': 'u' } })))
  await until(bench)
  expect(await bench.client.getWaiters({ eventId: 'order-1' })).toHaveLength(2)
  const notified = await bench.client.notify({ eventId: 'order-1', eventData: { total: '12 €' } })
  expect(notified).toHaveLength(2)
  await bench.qstash.idle()
  const expected = { eventData: { total: '12 €' }, timeout: false, user: 'u' }
  expect(results).toEqual([expected, expected])
})

test('a wait without notification ends with its timeout', async () => {
  const bench = await startBench()
  const results: unknown[] = []
  const url = bench.workflow('/wait', async (context) => {
    results.push(await context.waitForEvent('order', 'order-1', { timeout: '2h' }))
  })
  await bench.client.trigger({ url })
  await until(bench)
  bench.qstash.advance(2 * 3_600_000)
  await bench.qstash.idle()
  expect(results).toEqual([{ eventData: undefined, timeout: true }])
})

test('nobody is notified when nobody waits', async () => {
  const { client } = await startBench()
  expect(await client.notify({ eventId: 'nothing' })).toBeNull()
  expect(await client.getWaiters({ eventId: 'nothing' })).toBeNull()
})

test('a notification with a run id is kept until that run waits, in order', async () => {
  const bench = await startBench()
  const results: unknown[] = []
  const url = bench.workflow('/late', async (context) => {
    const first = await context.waitForEvent('one', 'event')
    const second = await context.waitForEvent('two', 'event')
    results.push(first.eventData, second.eventData)
  })
  const { workflowRunId } = await bench.client.trigger({ url, delay: '1h' })
  await bench.client.notify({ eventId: 'event', eventData: 'a', workflowRunId })
  await bench.client.notify({ eventId: 'event', eventData: 'b', workflowRunId })
  bench.qstash.advance(3_600_000)
  await bench.qstash.idle()
  expect(results).toEqual(['a', 'b'])
})

test('a notification with a run id leaves other runs waiting', async () => {
  const bench = await startBench()
  const url = bench.workflow('/wait', async (context) => {
    await context.waitForEvent('wait', 'event')
  })
  const [first] = await bench.client.trigger([{ url }, { url }])
  await until(bench)
  await bench.client.notify({ eventId: 'event', workflowRunId: first?.workflowRunId ?? '' })
  await until(bench)
  expect(bench.qstash.runs({ state: 'RUN_SUCCESS' }).map((run) => run.workflowRunId)).toEqual([
    first?.workflowRunId,
  ])
})

test('a workflow can notify another one', async () => {
  const bench = await startBench()
  const results: unknown[] = []
  const waiting = bench.workflow('/waiting', async (context) => {
    results.push((await context.waitForEvent('wait', 'ping')).eventData)
  })
  const notifying = bench.workflow('/notifying', async (context) => {
    const { notifyResponse } = await context.notify('notify', 'ping', 'pong')
    results.push(notifyResponse.length)
  })
  await bench.client.trigger({ url: waiting })
  await until(bench)
  await bench.client.trigger({ url: notifying })
  await bench.qstash.idle()
  expect(new Set(results)).toEqual(new Set(['pong', 1]))
})

test('parallel branches may wait, one for an event and one for its timeout', async () => {
  const bench = await startBench()
  const results: unknown[] = []
  const url = bench.workflow('/parallel', async (context) => {
    const [a, b, c] = await Promise.all([
      context.waitForEvent('a', 'event-a', { timeout: '1d' }),
      context.waitForEvent('b', 'event-b', { timeout: '1h' }),
      context.run('c', () => 'c'),
    ])
    await context.run('end', () => results.push([a.eventData, b.timeout, c]))
  })
  await bench.client.trigger({ url })
  await until(bench)
  await bench.client.notify({ eventId: 'event-a', eventData: 'a' })
  bench.qstash.advance(3_600_000)
  await bench.qstash.idle()
  expect(results).toEqual([['a', true, 'c']])
})

test('a webhook takes any request, without token, and hands it to the run', async () => {
  const bench = await startBench()
  const results: unknown[] = []
  const hooks: string[] = []
  const url = bench.workflow('/hook', async (context) => {
    const webhook = await context.createWebhook('hook')
    await context.run('publish', () => hooks.push(webhook.webhookUrl))
    const { request, timeout } = await context.waitForWebhook('wait', webhook, '1h')
    results.push({
      timeout,
      method: request?.method,
      url: request?.url === webhook.webhookUrl,
      body: await request?.text(),
      header: request?.headers.get('x-from'),
    })
  })
  await bench.client.trigger({ url })
  await until(bench)
  const answer = await fetch(hooks[0] ?? '', {
    method: 'PUT',
    body: 'tägliche Post',
    headers: { 'x-from': 'me' },
  })
  expect(answer.status).toBe(200)
  await bench.qstash.idle()
  expect(results).toEqual([{ timeout: false, method: 'PUT', url: true, body: 'tägliche Post', header: 'me' }])
})

test('a webhook request that comes before the wait is kept, and a late one is refused', async () => {
  const bench = await startBench()
  const results: unknown[] = []
  const hooks: string[] = []
  const url = bench.workflow('/hook', async (context) => {
    const webhook = await context.createWebhook('hook')
    await context.run('early', async () => {
      hooks.push(webhook.webhookUrl)
      await fetch(`${webhook.webhookUrl}?n=1`)
    })
    const { request } = await context.waitForWebhook('wait', webhook, '1h')
    results.push(request?.method, request?.url.endsWith('?n=1'))
  })
  await bench.client.trigger({ url })
  await bench.qstash.idle()
  expect(results).toEqual(['GET', true])
  expect((await fetch(hooks[0] ?? '')).status).toBe(404)
})
