import { expect } from 'vitest'
import { z } from 'zod'
import { gate } from '../support.ts'
import { Base64Text, openSite, pass, test, until } from './support.ts'

const Report = z.looseObject({ body: Base64Text, sourceBody: Base64Text })

/** A destination that answers with `status(n)` to its n-th request. */
function destination(status: (n: number) => number = () => 200) {
  const site = openSite()
  let count = 0
  site.app.all('/*', () => new Response(`answer ${++count}`, { status: status(count) }))
  return { ...site, paths: () => site.received.map(({ path }) => path) }
}

test('a message is delivered as published', async () => {
  const { qstashClient, received, url } = destination()
  const headers = { 'x-user': 'u', 'content-type': 'text/plain' }
  await qstashClient.publish({ url: `${url}/to?q=1`, method: 'PUT', body: 'text ✓', headers })
  await until(() => expect(received).toMatchObject([{ path: '/to', method: 'PUT', body: 'text ✓' }]))
  expect(received[0]?.headers.get('x-user')).toBe('u')
  expect(received[0]?.headers.get('content-type')).toBe('text/plain')
  expect(received[0]?.headers.get('upstash-workflow-runid')).toBeNull()
})

test('a message is delayed, by a duration or until a time', async () => {
  const { qstashClient, received, url } = destination()
  const notBefore = Math.ceil(Date.now() / 1000) + 1
  const publishedAt = Date.now()
  await qstashClient.publish({ url: `${url}/delay`, delay: 1 })
  await qstashClient.publish({ url: `${url}/until`, notBefore })
  await until(() => expect(received).toHaveLength(2))
  const at = (path: string) => received.find((request) => request.path === path)?.at ?? 0
  expect(at('/delay') - publishedAt).toBeGreaterThan(950)
  expect(at('/until')).toBeGreaterThan(notBefore * 1000 - 100)
})

test('a deduplication id and equal content deliver once', async () => {
  const { qstashClient, paths, url, id } = destination()
  const withId = () => qstashClient.publish({ url: `${url}/id`, deduplicationId: id })
  const byContent = (body: string) =>
    qstashClient.publish({ url: `${url}/content`, body, contentBasedDeduplication: true })
  const first = await withId()
  expect(await withId()).toMatchObject({ messageId: first.messageId, deduplicated: true })
  for (const body of ['a', 'a', 'b']) await byContent(body)
  await until(() => expect(paths()).toHaveLength(3))
  await pass(500)
  expect(paths().toSorted()).toEqual(['/content', '/content', '/id'])
})

test('a batch delivers each of its messages', async () => {
  const { qstashClient, received, url } = destination()
  const results = await qstashClient.batch([1, 2].map((n) => ({ url: `${url}/${n}`, body: `text ${n}` })))
  expect(results).toHaveLength(2)
  await until(() => expect(received).toHaveLength(2))
  expect(new Set(received.map(({ path, body }) => path + body))).toEqual(new Set(['/1text 1', '/2text 2']))
})

test('a callback gets the answer of a message', async () => {
  const { qstashClient, received, paths, url } = destination()
  await qstashClient.publish({ url: `${url}/to`, body: 'question', callback: `${url}/back` })
  await until(() => expect(paths()).toEqual(['/to', '/back']))
  const report = Report.parse(JSON.parse(received[1]?.body ?? ''))
  expect(report).toMatchObject({ status: 200, body: 'answer 1', sourceBody: 'question', retried: 0 })
})

test('a message that keeps failing ends in the dead letter queue and tells the failure callback', async () => {
  const { qstashClient, received, paths, url, client, id } = destination((n) => (n <= 2 ? 500 : 200))
  const target = { url: `${url}/to`, retries: 1, retryDelay: '100', label: id }
  await qstashClient.publish({ ...target, failureCallback: `${url}/failed` })
  await until(() => expect(paths()).toEqual(['/to', '/to', '/failed']))
  expect(received.map(({ headers }) => headers.get('upstash-retried'))).toEqual(['0', '1', '0'])
  const letters = async () => (await qstashClient.dlq.listMessages({ filter: { label: id } })).messages
  await until(async () =>
    expect(await letters()).toMatchObject([
      { url: `${url}/to`, responseStatus: 500, responseBody: 'answer 2' },
    ]),
  )
  expect((await client.dlq.list({ filter: { label: id } })).messages).toEqual([])
  await qstashClient.dlq.retry((await letters())[0]?.dlqId ?? '')
  await until(() => expect(paths()).toEqual(['/to', '/to', '/failed', '/to']))
  expect(await letters()).toEqual([])
})

test('a message that is not delivered yet can be read and cancelled', async () => {
  const { qstashClient, received, url, id } = destination()
  const publish = { url: `${url}/to`, body: { n: 1 }, delay: '2s', label: id } as const
  const { messageId } = await qstashClient.publishJSON(publish)
  expect(await qstashClient.messages.get(messageId)).toMatchObject({ messageId, body: '{"n":1}', label: id })
  await qstashClient.messages.cancel(messageId)
  await expect(qstashClient.messages.get(messageId)).rejects.toMatchObject({ status: 404 })
  await pass(2500)
  expect(received).toEqual([])
})

test('the log of messages tells what happened to them', async () => {
  const { qstashClient, url } = destination((n) => (n === 1 ? 503 : 200))
  const { messageId } = await qstashClient.publishJSON({ url: `${url}/to`, retryDelay: '100' })
  await until(async () => {
    const { logs } = await qstashClient.logs({ messageIds: [messageId] })
    const states = logs.map(({ state }) => state)
    expect(states.filter((state) => state !== 'ACTIVE')).toEqual(['DELIVERED', 'RETRY', 'CREATED'])
  })
})

test('messages share flow control with everything else', async () => {
  const { app, qstashClient, received, url, id } = openSite()
  const { opened, open } = gate()
  app.post('/slow', async (c) => {
    await opened
    return c.text('ok')
  })
  const flowControl = { key: id, parallelism: 2 }
  await qstashClient.batch([1, 2, 3].map(() => ({ url: `${url}/slow`, flowControl })))
  await until(() => expect(received).toHaveLength(2))
  expect((await qstashClient.flowControl.get(id)).waitListSize).toBe(1)
  open()
  await until(() => expect(received).toHaveLength(3))
})
