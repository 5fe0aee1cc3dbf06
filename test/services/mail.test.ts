import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { parseEnv } from '../../src/env.ts'
import { describeError, PermanentError, RetryLaterError } from '../../src/errors.ts'
import { createMail } from '../../src/services/mail.ts'
import { lane } from '../support/lane.ts'
import { local } from '../support/rounds.ts'
import { errorOf } from './error-of.ts'

const env = parseEnv(lane.bindings)
const mail = { to: 'ann@example.com', subject: 'Your October', text: 'Hi Ann' }

/** The mail of one step, as a delivery of it makes it. */
function step(key = 'step-1', { signal = AbortSignal.timeout(10_000), changes = {} } = {}) {
  const create = createMail({ ...env, ...changes })
  if (create === null) throw new Error('mail is not configured')
  return create({ key, signal })
}

async function sendTwo() {
  const ours = step()
  return [await ours.send(mail), await ours.send({ ...mail, to: 'bob@example.com' })]
}

const setFaults = (...rules: object[]) => local('mail', 'faults', { rules })
const sentSchema = z.array(z.object({ id: z.string(), to: z.string(), subject: z.string(), key: z.string() }))
const sent = async () => sentSchema.parse(await local('mail', 'sent'))

beforeEach(async () => {
  await local('mail', 'reset', {})
})
afterEach(() => {
  vi.restoreAllMocks()
})

describe('a mail', () => {
  test('is sent from the configured address, under the key of its step', async () => {
    const { id } = await step().send(mail)
    expect(await local('mail', 'sent')).toMatchObject([{ id, ...mail, from: env.MAIL_FROM, key: 'step-1' }])
  })

  test('is one of several that a step may send, and a repeated step sends none again', async () => {
    const first = await sendTwo()
    expect(await sendTwo()).toEqual(first)
    expect((await sent()).map(({ to, key }) => [to, key])).toEqual([
      ['ann@example.com', 'step-1'],
      ['bob@example.com', 'step-1:2'],
    ])
  })

  test('cannot be sent without a key or without a sender', () => {
    expect(createMail({ ...env, MAIL_API_KEY: undefined })).toBeNull()
    expect(createMail({ ...env, MAIL_FROM: undefined })).toBeNull()
  })
})

describe('a mail that the service does not take', () => {
  test.each([400, 403, 404, 422])('is refused for good with %i', async (status) => {
    await setFaults({ status })
    const error = await errorOf(step().send(mail))
    expect(error).toBeInstanceOf(PermanentError)
    expect(error).toHaveProperty('name', `Mail${status}`)
  })

  test('says which of its codes the service gave, and neither whom it was for nor any key', async () => {
    const error = await errorOf(step('secret-step').send({ ...mail, to: 'ann at example' }))
    expect(describeError(error)).toEqual({
      name: 'Mail422',
      message: 'the mail service answered 422 (validation_error)',
    })
  })

  test.each([
    [{ status: 429, retryAfterSeconds: 7 }, 7],
    [{ status: 429 }, 15],
    [{ status: 503, retryAfterSeconds: 90 }, 90],
  ])('comes again later, as the service asks with %o', async (rule, seconds) => {
    await setFaults(rule)
    const error = await errorOf(step().send(mail))
    expect(error).toBeInstanceOf(RetryLaterError)
    expect(error).toHaveProperty('seconds', seconds)
  })

  test('is worth another try after an error of the service, and arrives once', async () => {
    await setFaults({ status: 502, timesPerKey: 1 })
    const error = await errorOf(step().send(mail))
    expect(error).not.toBeInstanceOf(PermanentError)
    expect(error).toHaveProperty('name', 'Mail502')
    await step().send(mail)
    expect(await sent()).toHaveLength(1)
  })

  test('is not sent in the place of another', async () => {
    await step().send(mail)
    const error = await errorOf(step().send({ ...mail, text: 'something else' }))
    expect(error).toBeInstanceOf(PermanentError)
    expect(describeError(error).message).toContain('409 (invalid_idempotent_request)')
  })

  test('is worth another try when the account is not let in', async () => {
    const error = await errorOf(step('k', { changes: { MAIL_API_KEY: 're_wrong_key' } }).send(mail))
    expect(describeError(error)).toEqual({
      name: 'Mail401',
      message: 'the mail service answered 401 (validation_error)',
    })
    expect(error).not.toBeInstanceOf(PermanentError)
  })
})

describe('a mail of which nobody knows whether it went out', () => {
  test('is sent once, when the answer was lost', async () => {
    await setFaults({ acts: true, times: 1 })
    await expect(step().send(mail)).rejects.toThrow('answered 500')
    const { id } = await step().send(mail)
    expect(await sent()).toEqual([expect.objectContaining({ id })])
  })

  test('is sent once, when its time ran out before the service had done it', async () => {
    await setFaults({ delayMs: 200, times: 1 })
    const error = await errorOf(step('slow', { signal: AbortSignal.timeout(50) }).send(mail))
    expect(describeError(error).message).toBe('the mail service did not answer in time')
    await expect(step('slow').send(mail)).rejects.toThrow('409 (concurrent_idempotent_requests)')
    await vi.waitUntil(async () => (await sent()).length > 0)
    await step('slow').send(mail)
    expect(await sent()).toHaveLength(1)
  })

  test('is sent once, when the service talks nonsense', async () => {
    await setFaults({ malformed: true, times: 1 })
    await expect(step().send(mail)).rejects.toThrow('the mail service answered what nobody understands')
    await step().send(mail)
    expect(await sent()).toHaveLength(1)
  })
})

test('a service that cannot be reached is named, and nothing of the request', async () => {
  vi.spyOn(globalThis, 'fetch').mockRejectedValue(
    new TypeError('"Bearer re_secret" is no header of ann@example.com'),
  )
  expect(describeError(await errorOf(step().send(mail)))).toEqual({
    name: 'MailSilent',
    message: 'the mail service could not be reached',
  })
})

test('a redirect is not followed: it would carry the key elsewhere', async () => {
  const elsewhere = new Response(null, { status: 307, headers: { location: 'https://elsewhere.example' } })
  const fetched = vi.spyOn(globalThis, 'fetch').mockResolvedValue(elsewhere)
  await expect(step().send(mail)).rejects.toThrow('answered 307')
  expect(fetched.mock.calls).toEqual([
    [`${env.MAIL_URL}/emails`, expect.objectContaining({ redirect: 'manual' })],
  ])
})

test('a code that is none is not repeated', async () => {
  const answer = Response.json({ name: 'ann@example.com cannot be reached' }, { status: 422 })
  vi.spyOn(globalThis, 'fetch').mockResolvedValue(answer)
  expect(describeError(await errorOf(step().send(mail))).message).toBe('the mail service answered 422')
})
