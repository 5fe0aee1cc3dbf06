import { expect, test } from 'vitest'
import { eventually, gate, startBench } from './support.ts'

type Seen = {
  path: string
  method: string
  body: string
  user: string | undefined
  retried: string | undefined
}

const base64 = (text: string) => Buffer.from(text).toString('base64')

/** A destination that answers with `status(n)` to its n-th request. */
async function startPlain(status: (n: number) => number = () => 200, options = {}) {
  const bench = await startBench(options)
  const seen: Seen[] = []
  bench.app.all('/*', async (c) => {
    seen.push({
      path: c.req.path,
      method: c.req.method,
      body: await c.req.text(),
      user: c.req.header('x-user'),
      retried: c.req.header('upstash-retried'),
    })
    return new Response(`answer ${seen.length}`, { status: status(seen.length) })
  })
  return { ...bench, seen }
}

test('a message is delivered as published', async () => {
  const { qstashClient, qstash, seen, url } = await startPlain()
  await qstashClient.publish({
    url: `${url}/to?q=1`,
    method: 'PUT',
    body: 'text ✓',
    headers: { 'x-user': 'u' },
  })
  await qstash.idle()
  expect(seen).toEqual([{ path: '/to', method: 'PUT', body: 'text ✓', user: 'u', retried: '0' }])
})

test('a message is delayed, by a duration or until a time', async () => {
  const { qstashClient, qstash, seen, url } = await startPlain()
  await qstashClient.publish({ url: `${url}/delay`, delay: 600 })
  await qstashClient.publish({ url: `${url}/until`, notBefore: Math.ceil(Date.now() / 1000) + 1200 })
  for (const [ms, paths] of [
    [590_000, []],
    [10_000, ['/delay']],
    [601_000, ['/delay', '/until']],
  ] as const) {
    qstash.advance(ms)
    await qstash.idle({ ignoreDelayed: true })
    expect(seen.map(({ path }) => path)).toEqual(paths)
  }
})

test('a deduplication id and equal content deliver once in the window', async () => {
  const { qstashClient, qstash, seen, url } = await startPlain()
  const withId = () => qstashClient.publish({ url: `${url}/id`, deduplicationId: 'd' })
  const byContent = (body: string) =>
    qstashClient.publish({ url: `${url}/content`, body, contentBasedDeduplication: true })
  const first = await withId()
  expect(await withId()).toMatchObject({ messageId: first.messageId, deduplicated: true })
  await byContent('a')
  await byContent('a')
  await byContent('b')
  qstash.advance(600_000)
  await withId()
  await qstash.idle()
  expect(seen.map(({ path }) => path).toSorted()).toEqual(['/content', '/content', '/id', '/id'])
})

test('a callback gets the answer of a message', async () => {
  const { qstashClient, qstash, seen, url } = await startPlain()
  await qstashClient.publish({ url: `${url}/to`, body: 'question', callback: `${url}/back` })
  await qstash.idle()
  expect(seen.map(({ path }) => path)).toEqual(['/to', '/back'])
  const report: unknown = JSON.parse(seen[1]?.body ?? '')
  expect(report).toMatchObject({
    status: 200,
    body: base64('answer 1'),
    sourceBody: base64('question'),
    retried: 0,
  })
})

test('a message that keeps failing ends in the dead letter queue and tells the failure callback', async () => {
  const { qstashClient, qstash, seen, url, client } = await startPlain((n) => (n <= 2 ? 500 : 200))
  const target = { url: `${url}/to`, retries: 1, retryDelay: '0', label: 'l' }
  await qstashClient.publish({ ...target, failureCallback: `${url}/failed` })
  await qstash.idle()
  expect(seen.map(({ path, retried }) => [path, retried])).toEqual([
    ['/to', '0'],
    ['/to', '1'],
    ['/failed', '0'],
  ])
  expect((await client.dlq.list()).messages).toEqual([])
  const { messages } = await qstashClient.dlq.listMessages({ filter: { label: 'l' } })
  expect(messages).toMatchObject([{ url: `${url}/to`, responseStatus: 500, responseBody: 'answer 2' }])
  await qstashClient.dlq.retry(messages[0]?.dlqId ?? '')
  await qstash.idle()
  expect(seen.at(-1)?.path).toBe('/to')
  expect((await qstashClient.dlq.listMessages()).messages).toEqual([])
})

test('a message that is not delivered yet can be read and cancelled', async () => {
  const { qstashClient, qstash, seen, url } = await startPlain()
  const { messageId } = await qstashClient.publishJSON({
    url: `${url}/to`,
    body: { n: 1 },
    delay: '1h',
    label: 'l',
  })
  expect(await qstashClient.messages.get(messageId)).toMatchObject({ messageId, body: '{"n":1}', label: 'l' })
  await qstashClient.messages.cancel(messageId)
  await expect(qstashClient.messages.get(messageId)).rejects.toMatchObject({ status: 404 })
  await qstash.idle()
  expect(seen).toEqual([])
})

test('the log of messages tells what happened to them', async () => {
  const { qstashClient, qstash, url } = await startPlain((n) => (n === 1 ? 503 : 200))
  const { messageId } = await qstashClient.publishJSON({ url: `${url}/to`, retryDelay: '0' })
  await qstash.idle()
  const { logs } = await qstashClient.logs({ messageIds: [messageId] })
  expect(logs.map(({ state }) => state)).toEqual(['DELIVERED', 'RETRY', 'CREATED'])
})

test('messages share flow control with everything else', async () => {
  const { app, qstashClient, qstash, url } = await startBench()
  const { opened, open } = gate()
  app.post('/slow', async (c) => {
    await opened
    return c.text('ok')
  })
  const flowControl = { key: 'k', parallelism: 2 }
  await qstashClient.batch([1, 2, 3].map(() => ({ url: `${url}/slow`, flowControl })))
  await eventually(() => qstash.stats().deliveries).toBe(2)
  expect((await qstashClient.flowControl.get('k')).waitListSize).toBe(1)
  open()
  await qstash.idle()
  expect(qstash.stats().deliveries).toBe(3)
})
