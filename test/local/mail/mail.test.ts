import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startMail, type LocalMail } from './start.ts'

let local: LocalMail

beforeAll(async () => {
  local = await startMail()
})
afterEach(() => local.reset())
afterAll(() => local.close())

const mail = {
  from: 'Rounds <rounds@example.com>',
  to: ['ann@example.com'],
  subject: 'Hello',
  text: 'Hi Ann',
}

async function post(body: unknown = mail, headers: Record<string, string> = {}) {
  const response = await fetch(`${local.url}/emails`, {
    method: 'POST',
    headers: { authorization: `Bearer ${local.apiKey}`, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  const answer: unknown = await response.json()
  return { status: response.status, body: answer, headers: response.headers }
}
const under = (key: string, body: unknown = mail) => post(body, { 'idempotency-key': key })
const localRoute = (path: string, body?: object) =>
  fetch(
    `${local.url}/local/${path}`,
    body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) },
  )
/** Until so many requests have come in. */
const requestsSeen = (requests: number) =>
  expect.poll(async () => await (await localRoute('stats')).json()).toMatchObject({ requests })
const setFaults = (...rules: object[]) => localRoute('faults', { rules })

/** The statuses that mails to sixty people are answered with. */
const sixtyMails = (run: string) =>
  Promise.all(
    Array.from({ length: 60 }, async (_, i) => {
      const { status } = await under(`${run}-${i}`, { ...mail, to: `u${i}@example.com` })
      return status
    }),
  )

describe('a mail', () => {
  it('is sent, and can be looked at', async () => {
    const { status, body } = await under('k1')
    expect(status).toBe(200)
    const sent: unknown = await (await localRoute('sent')).json()
    expect(sent).toEqual([
      {
        ...mail,
        ...Object(body),
        to: 'ann@example.com',
        key: 'k1',
        at: expect.stringMatching(/^\d{4}-.*Z$/),
      },
    ])
    expect(await (await localRoute('stats')).json()).toMatchObject({
      requests: 1,
      byStatus: { 200: 1 },
      sent: 1,
    })
  })

  it.each([
    ['without a subject', { ...mail, subject: undefined }, 422, 'missing_required_field'],
    ['to nobody', { ...mail, to: [] }, 422, 'validation_error'],
    ['to what is no address', { ...mail, to: 'ann' }, 422, 'validation_error'],
    ['from what is no address', { ...mail, from: 'Rounds' }, 422, 'validation_error'],
    ['that is no JSON', 'Hello', 400, 'validation_error'],
  ])('%s is refused', async (_, body, statusCode, name) => {
    const answer = await under('k1', body)
    expect(answer.status).toBe(statusCode)
    expect(answer.body).toEqual({ statusCode, name, message: expect.any(String) })
    expect((await under('k1')).status).toBe(200)
  })

  it('needs the key of the account', async () => {
    expect((await post(mail, { authorization: 'Bearer wrong' })).status).toBe(401)
    expect(local.sent()).toEqual([])
  })
})

describe('an idempotency key', () => {
  it('sends a mail once, and answers the same', async () => {
    const [first, again] = [await under('k1'), await under('k1')]
    expect(again.body).toEqual(first.body)
    expect(local.sent()).toHaveLength(1)
    await under('k2')
    expect(local.sent()).toHaveLength(2)
  })

  it('is refused for another mail', async () => {
    await under('k1')
    const other = await under('k1', { ...mail, subject: 'Bye' })
    expect(other).toMatchObject({ status: 409, body: { name: 'invalid_idempotent_request' } })
    expect(local.sent()).toHaveLength(1)
  })

  it('is refused while its first request is under way', async () => {
    await setFaults({ delayMs: 100, times: 1 })
    const first = under('k1')
    await requestsSeen(1)
    expect(await under('k1')).toMatchObject({
      status: 409,
      body: { name: 'concurrent_idempotent_requests' },
    })
    expect((await first).status).toBe(200)
    expect(local.sent()).toHaveLength(1)
  })

  it('may not be longer than the service takes', async () => {
    expect(await under('k'.repeat(257))).toMatchObject({
      status: 400,
      body: { name: 'invalid_idempotency_key' },
    })
  })
})

describe('faults', () => {
  it('refuse a mail before it is sent', async () => {
    await setFaults({ match: 'ann@', status: 429, retryAfterSeconds: 3, times: 1 })
    expect((await under('k0', { ...mail, to: 'bob@example.com' })).status).toBe(200)
    const refused = await under('k1')
    expect(refused).toMatchObject({ status: 429, body: { name: 'rate_limit_exceeded' } })
    expect(refused.headers.get('retry-after')).toBe('3')
    expect((await under('k1')).status).toBe(200)
  })

  it('lose an answer after the mail is sent', async () => {
    await setFaults({ match: 'Hello', acts: true, timesPerKey: 1 })
    expect((await under('k1')).status).toBe(500)
    expect(local.sent()).toHaveLength(1)
    expect((await under('k1')).status).toBe(200)
    expect(local.sent()).toHaveLength(1)
  })

  it('hit one recipient in so many, always the same ones', async () => {
    await setFaults({ every: 3, status: 422 })
    const [first, second] = [await sixtyMails('one'), await sixtyMails('two')]
    expect(second).toEqual(first)
    const refused = first.filter((status) => status === 422).length
    expect(refused).toBeGreaterThan(8)
    expect(refused).toBeLessThan(35)
  })

  it('answer with something else', async () => {
    await setFaults({ malformed: true })
    expect((await under('k1')).body).toEqual({ unexpected: true })
  })

  it('take the whole service down', async () => {
    await localRoute('faults', { down: true })
    expect((await under('k1')).status).toBe(503)
  })

  it('must be valid, and can be cleared, also while a mail waits', async () => {
    expect((await setFaults({ declined: 'yes' })).status).toBe(400)
    await setFaults({ delayMs: 60_000 })
    const waiting = under('k1')
    await requestsSeen(1)
    await localRoute('reset', {})
    expect((await waiting).status).toBe(500)
    expect(local.sent()).toEqual([])
    expect((await under('k1')).status).toBe(200)
  })
})
