import { expect } from 'vitest'
import { endedAs, localTest, logOf, openSite, pass, type Site, test, until } from './support.ts'

const waitersOf = async ({ client, id }: Site) => (await client.getWaiters({ eventId: id })) ?? []
const untilWaiting = (site: Site, count: number) =>
  until(async () => expect(await waitersOf(site)).toHaveLength(count))

test('a notification ends every wait for the event and carries its data', async () => {
  const site = openSite()
  const results: unknown[] = []
  const url = site.workflow('/wait', async (context) => {
    const { eventData, timeout } = await context.waitForEvent('order', site.id, { timeout: '1h' })
    results.push({ eventData, timeout, user: context.headers.get('x-user') })
  })
  const runs = await site.client.trigger([1, 2].map((body) => ({ url, body, headers: { 'x-user': 'u' } })))
  await untilWaiting(site, 2)
  const notified = await site.client.notify({ eventId: site.id, eventData: { total: '12 €' } })
  expect(notified.map(({ error }) => error)).toEqual(['', ''])
  expect(new Set(notified.map(({ messageId }) => messageId)).size).toBe(2)
  for (const { workflowRunId } of runs) await endedAs(site, workflowRunId)
  const expected = { eventData: { total: '12 €' }, timeout: false, user: 'u' }
  expect(results).toEqual([expected, expected])
  expect(site.received).toHaveLength(4)
  expect(await waitersOf(site)).toEqual([])
})

test('a waiter says where and until when it waits', async () => {
  const site = openSite()
  const url = site.workflow('/wait', async (context) => {
    await context.waitForEvent('order', site.id, { timeout: '1h' })
  })
  const { workflowRunId } = await site.client.trigger({ url })
  await untilWaiting(site, 1)
  const [waiter] = await waitersOf(site)
  expect(waiter).toMatchObject({ url, timeoutUrl: url })
  expect(waiter).not.toHaveProperty('timeoutBody')
  const left = (waiter?.deadline ?? 0) - Date.now() / 1000
  expect(left).toBeGreaterThan(3500)
  expect(left).toBeLessThan(3700)
  await site.client.cancel(workflowRunId)
  await untilWaiting(site, 0)
})

test('a wait without notification ends with its timeout, and the headers of the run', async () => {
  const site = openSite()
  const results: unknown[] = []
  const url = site.workflow('/wait', async (context) => {
    const result = await context.waitForEvent('order', site.id, { timeout: '1s' })
    results.push({ ...result, user: context.headers.get('x-user') })
  })
  const { workflowRunId } = await site.client.trigger({ url, headers: { 'x-user': 'u' } })
  await endedAs(site, workflowRunId)
  expect(results).toEqual([{ eventData: undefined, timeout: true, user: 'u' }])
  const [began, went] = site.received
  expect((went?.at ?? 0) - (began?.at ?? 0)).toBeGreaterThan(950)
})

test('nobody is notified when nobody waits, and a later wait does not know of it', async () => {
  const site = openSite()
  expect((await site.client.notify({ eventId: site.id })) ?? []).toEqual([])
  expect(await waitersOf(site)).toEqual([])
  const url = site.workflow('/wait', async (context) => {
    return (await context.waitForEvent('late', site.id, { timeout: '1s' })).timeout
  })
  const { workflowRunId } = await site.client.trigger({ url })
  expect((await endedAs(site, workflowRunId)).workflowRunResponse).toBe('true')
})

test('a notification with a run id is kept until that run waits, in order', async () => {
  const site = openSite()
  const results: unknown[] = []
  const url = site.workflow('/late', async (context) => {
    const first = await context.waitForEvent('one', site.id)
    const second = await context.waitForEvent('two', site.id)
    results.push(first.eventData, second.eventData)
  })
  const { workflowRunId } = await site.client.trigger({ url, delay: '2s' })
  await site.client.notify({ eventId: site.id, eventData: 'a', workflowRunId })
  await site.client.notify({ eventId: site.id, eventData: 'b', workflowRunId })
  expect(site.received).toEqual([])
  await endedAs(site, workflowRunId)
  expect(results).toEqual(['a', 'b'])
})

test('a notification with a run id leaves other runs waiting', async () => {
  const site = openSite()
  const url = site.workflow('/wait', async (context) => {
    await context.waitForEvent('wait', site.id)
  })
  const [first, second] = await site.client.trigger([{ url }, { url }])
  await untilWaiting(site, 2)
  await site.client.notify({ eventId: site.id, workflowRunId: second?.workflowRunId ?? '' })
  await endedAs(site, second?.workflowRunId ?? '')
  await pass(500)
  expect((await logOf(site, first?.workflowRunId ?? '')).workflowState).toBe('RUN_STARTED')
  await untilWaiting(site, 1)
  await site.client.cancel(first?.workflowRunId ?? '')
})

test('a workflow can notify another one, and learns whom it has told', async () => {
  const site = openSite()
  const waiting = site.workflow('/waiting', async (context) => {
    return (await context.waitForEvent('wait', site.id)).eventData
  })
  const notifying = site.workflow('/notifying', async (context) => {
    const { eventId, eventData, notifyResponse } = await context.notify('notify', site.id, { n: 1 })
    return [eventId, eventData, notifyResponse.map(({ waiter }) => waiter.url)]
  })
  const waiter = await site.client.trigger({ url: waiting })
  await untilWaiting(site, 1)
  const notifier = await site.client.trigger({ url: notifying })
  const told = await endedAs(site, notifier.workflowRunId)
  expect(JSON.parse(told.workflowRunResponse ?? '')).toEqual([site.id, { n: 1 }, [waiting]])
  expect((await endedAs(site, waiter.workflowRunId)).workflowRunResponse).toBe('{"n":1}')
})

test('parallel branches may wait, one for an event and one for its timeout', async () => {
  const site = openSite()
  const results: unknown[] = []
  const url = site.workflow('/parallel', async (context) => {
    const [a, b, c] = await Promise.all([
      context.waitForEvent('a', site.id, { timeout: '1d' }),
      context.waitForEvent('b', `${site.id}-b`, { timeout: '1s' }),
      context.run('c', () => 'c'),
    ])
    await context.run('end', () => results.push([a.eventData, b.timeout, c]))
  })
  const { workflowRunId } = await site.client.trigger({ url })
  await untilWaiting(site, 1)
  await site.client.notify({ eventId: site.id, eventData: 'a' })
  await endedAs(site, workflowRunId)
  expect(results).toEqual([['a', true, 'c']])
  expect(site.received).toHaveLength(1 + 6 + 1)
})

/** A workflow that makes a webhook, tells its URL, and waits for a request to it. */
function hooked(timeout: '1s' | '1m', early: (webhookUrl: string) => Promise<unknown> = async () => {}) {
  const site = openSite()
  const hooks: string[] = []
  const url = site.workflow('/hook', async (context) => {
    const webhook = await context.createWebhook('hook')
    await context.run('publish', async () => {
      hooks.push(webhook.webhookUrl)
      await early(webhook.webhookUrl)
    })
    const result = await context.waitForWebhook('wait', webhook, timeout)
    const { request } = result
    return {
      timeout: result.timeout,
      method: request?.method,
      url: request?.url,
      body: await request?.text(),
      header: request?.headers.get('x-from'),
    }
  })
  return { ...site, url, hooks }
}

const response = (run: { workflowRunResponse?: string }): unknown => JSON.parse(run.workflowRunResponse ?? '')

test('a webhook takes any request, without token, and hands it to the run', async () => {
  const site = hooked('1m')
  const { workflowRunId } = await site.client.trigger({ url: site.url })
  await until(() => expect(site.received).toHaveLength(3))
  const [webhookUrl = ''] = site.hooks
  expect(webhookUrl).toContain(`/${workflowRunId}/`)
  const headers = { 'x-from': 'me' }
  const answer = await fetch(webhookUrl, { method: 'PUT', body: 'tägliche Post', headers })
  expect(answer.ok).toBe(true)
  expect(response(await endedAs(site, workflowRunId))).toEqual({
    timeout: false,
    method: 'PUT',
    url: webhookUrl,
    body: 'tägliche Post',
    header: 'me',
  })
})

test('a webhook request that comes before the wait is kept for it', async () => {
  const site = hooked('1m', (webhookUrl) => fetch(`${webhookUrl}?n=1`))
  const { workflowRunId } = await site.client.trigger({ url: site.url })
  expect(response(await endedAs(site, workflowRunId))).toMatchObject({
    timeout: false,
    method: 'GET',
    url: `${site.hooks[0]}?n=1`,
  })
})

test('a wait for a webhook ends with its timeout', async () => {
  const site = hooked('1s')
  const { workflowRunId } = await site.client.trigger({ url: site.url })
  expect(response(await endedAs(site, workflowRunId))).toMatchObject({ timeout: true })
})

localTest('a webhook of a run that has ended refuses requests', 'the answer is not documented', async () => {
  const site = hooked('1m', (webhookUrl) => fetch(webhookUrl))
  const { workflowRunId } = await site.client.trigger({ url: site.url })
  await endedAs(site, workflowRunId)
  expect((await fetch(site.hooks[0] ?? '')).status).toBe(404)
})
