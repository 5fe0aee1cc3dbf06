import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { parseEnv } from '../../src/env.ts'
import { describeError, PermanentError, RetryLaterError } from '../../src/errors.ts'
import { createPayments } from '../../src/services/payments.ts'
import { lane } from '../support/lane.ts'
import { local } from '../support/rounds.ts'
import { errorOf } from './error-of.ts'

const env = parseEnv(lane.bindings)
const order = {
  amount: 1999,
  currency: 'EUR',
  customer: 'cus_ann',
  paymentMethod: 'pm_card_visa',
  description: 'October',
}

/** The payments of one step, as a delivery of it makes them. */
function step(key: string, { signal = AbortSignal.timeout(10_000), changes = {} } = {}) {
  const create = createPayments({ ...env, ...changes })
  if (create === null) throw new Error('payments are not configured')
  return create({ key, signal })
}

const setFaults = (...rules: object[]) => local('payments', 'faults', { rules })
const booksSchema = z.array(
  z.object({ id: z.string(), history: z.array(z.object({ did: z.string(), key: z.string().nullable() })) }),
)
/** What happened to each payment, with the keys. */
const history = async () =>
  booksSchema
    .parse(await local('payments', 'payments'))
    .map((payment) => payment.history.map(({ did, key }) => `${did} ${key}`))

async function prepared(changes: Partial<typeof order> = {}): Promise<string> {
  const { paymentId } = await step('prepare').prepare({ ...order, ...changes })
  return paymentId
}

async function charged(): Promise<string> {
  const id = await prepared()
  await step('charge').charge(id)
  return id
}

beforeEach(async () => {
  await local('payments', 'reset', {})
})
afterEach(() => {
  vi.restoreAllMocks()
})

describe('a payment', () => {
  test('is prepared, charged and refunded, each under the key of its step', async () => {
    const paymentId = await prepared()
    expect(await step('charge').charge(paymentId)).toEqual({ paymentId })
    expect(await step('undo').undo(paymentId)).toEqual({ did: 'refunded' })
    expect(await history()).toEqual([['created prepare', 'charged charge', 'refunded undo']])
    expect(await local('payments', 'payments')).toMatchObject([
      { amount: 1999, currency: 'eur', customer: 'cus_ann', description: 'October', state: 'refunded' },
    ])
  })

  test('is one of several that a step may make, and a repeated step makes none again', async () => {
    const both = async () => {
      const { prepare, charge } = step('both')
      const { paymentId } = await prepare(order)
      return await charge(paymentId)
    }
    expect(await both()).toEqual(await both())
    expect(await history()).toEqual([['created both', 'charged both:2']])
  })

  test('that was never charged is canceled', async () => {
    const id = await prepared()
    expect(await step('undo').undo(id)).toEqual({ did: 'canceled' })
    expect(await history()).toEqual([['created prepare', 'canceled undo:cancel']])
  })

  test('is undone once, however often it is asked for', async () => {
    const [refunded, canceled] = [await charged(), (await step('other').prepare(order)).paymentId]
    for (const id of [refunded, canceled]) await step('undo').undo(id)
    for (const id of [refunded, canceled]) {
      expect(await step('undo').undo(id)).toEqual({ did: 'nothing' })
      expect(await step('undo-again').undo(id)).toEqual({ did: 'nothing' })
    }
    expect(await history()).toEqual([
      ['created prepare', 'charged charge', 'refunded undo'],
      ['created other', 'canceled undo:cancel'],
    ])
  })

  test('is charged once, whoever asks', async () => {
    const paymentId = await charged()
    expect(await step('charge').charge(paymentId)).toEqual({ paymentId })
    expect(await step('other').charge(paymentId)).toEqual({ paymentId })
    expect(await history()).toEqual([['created prepare', 'charged charge']])
  })

  test('that was undone is not charged', async () => {
    const id = await prepared()
    await step('undo').undo(id)
    await expect(step('charge').charge(id)).rejects.toThrow(PermanentError)
  })

  test('cannot be made without a key', () => {
    expect(createPayments({ ...env, PAYMENTS_API_KEY: undefined })).toBeNull()
  })
})

describe('a card that does not pay', () => {
  test.each([
    ['pm_card_chargeDeclined', 'card_declined, generic_decline'],
    ['pm_card_chargeDeclinedInsufficientFunds', 'card_declined, insufficient_funds'],
    ['pm_card_authenticationRequired', 'authentication_required, authentication_required'],
  ])('like %s is declined for good, also when the answer was lost', async (paymentMethod, codes) => {
    const id = await prepared({ paymentMethod })
    await setFaults({ operation: 'confirm', acts: true, times: 1 })
    await expect(step('charge').charge(id)).rejects.toThrow('answered 500')
    for (const key of ['charge', 'other']) {
      const error = await errorOf(step(key).charge(id))
      expect(error).toBeInstanceOf(PermanentError)
      expect(describeError(error)).toEqual({
        name: 'CardDeclined',
        message: `the card was declined (${codes})`,
      })
    }
    expect(await history()).toEqual([['created prepare', 'declined charge']])
  })

  test('leaves a payment that can be undone', async () => {
    const id = await prepared({ paymentMethod: 'pm_card_chargeDeclined' })
    expect(await errorOf(step('charge').charge(id))).toHaveProperty('name', 'CardDeclined')
    expect(await step('undo').undo(id)).toEqual({ did: 'canceled' })
  })
})

describe('a service in trouble', () => {
  test('charges once, when it refused the first request and took the second', async () => {
    const id = await prepared()
    await setFaults({ operation: 'confirm', status: 502, timesPerKey: 1 })
    const error = await errorOf(step('charge').charge(id))
    expect(error).not.toBeInstanceOf(PermanentError)
    expect(describeError(error)).toEqual({
      name: 'Payment502',
      message: 'the payment service answered 502 (api_error)',
    })
    await step('charge').charge(id)
    expect(await history()).toEqual([['created prepare', 'charged charge']])
  })

  test.each([false, true])(
    'charges once, when the answer was lost and stored (%o) after the charge',
    async (stored) => {
      const id = await prepared()
      await setFaults({ operation: 'confirm', acts: true, stored, times: 1 })
      await expect(step('charge').charge(id)).rejects.toThrow('answered 500')
      expect(await step('charge').charge(id)).toEqual({ paymentId: id })
      expect(await history()).toEqual([['created prepare', 'charged charge']])
    },
  )

  test('charges in the end, when it stored its errors and charged nothing', async () => {
    const id = await prepared()
    await setFaults({ operation: 'confirm', stored: true, times: 2 })
    await expect(step('charge').charge(id)).rejects.toThrow('answered 500')
    await expect(step('charge').charge(id)).rejects.toThrow('answered 500')
    await step('charge').charge(id)
    expect(await history()).toEqual([['created prepare', 'charged charge.3']])
  })

  test.each([
    ['refunds', 'refund', charged, 'refunded undo'],
    ['cancels', 'cancel', prepared, 'canceled undo:cancel'],
  ])('%s once, when the answer was lost', async (_, operation, payment, did) => {
    const id = await payment()
    await setFaults({ operation, acts: true, times: 1 })
    await expect(step('undo').undo(id)).rejects.toThrow('answered 500')
    expect(await step('undo').undo(id)).toEqual({ did: 'nothing' })
    expect((await history())[0]?.slice(1).filter((event) => !event.startsWith('charged'))).toEqual([did])
  })

  test('prepares once, when the answer was lost', async () => {
    await setFaults({ operation: 'create', acts: true, times: 1 })
    await expect(prepared()).rejects.toThrow('answered 500')
    await prepared()
    expect(await history()).toEqual([['created prepare']])
  })

  test('charges once, when the time ran out before it was done', async () => {
    const id = await prepared()
    await setFaults({ operation: 'confirm', delayMs: 200, times: 1 })
    const hurried = step('charge', { signal: AbortSignal.timeout(50) })
    await expect(hurried.charge(id)).rejects.toThrow('the payment service did not answer in time')
    await expect(step('charge').charge(id)).rejects.toThrow(
      '409 (invalid_request_error, idempotency_key_in_use)',
    )
    await vi.waitUntil(async () => (await history())[0]?.length === 2)
    await step('charge').charge(id)
    expect(await history()).toEqual([['created prepare', 'charged charge']])
  })

  test('is given the time that it asks for, also while a payment is busy', async () => {
    const id = await prepared()
    await setFaults({ operation: 'confirm', status: 429, retryAfterSeconds: 7, times: 1 })
    expect(await errorOf(step('charge').charge(id))).toMatchObject({ name: 'RetryLaterError', seconds: 7 })
    await setFaults({ operation: 'confirm', delayMs: 200 })
    const first = step('charge').charge(id)
    await vi.waitUntil(async () => Reflect.get(Object(await local('payments', 'stats')), 'maxConcurrent') > 0)
    const error = await errorOf(step('undo').undo(id))
    expect(error).toBeInstanceOf(RetryLaterError)
    expect(describeError(error).message).toContain('lock_timeout')
    await first
    expect(await step('undo').undo(id)).toEqual({ did: 'refunded' })
  })

  test.each(['create', 'retrieve', 'confirm'])(
    'that talks nonsense (%s) is asked again',
    async (operation) => {
      await setFaults({ operation, malformed: true, times: 1 })
      await expect(charged()).rejects.toThrow('the payment service answered what nobody understands')
      await charged()
      expect(await history()).toEqual([['created prepare', 'charged charge']])
    },
  )
})

describe('a request that is wrong', () => {
  test.each([
    [{ amount: 0 }, 'invalid_request_error, parameter_invalid'],
    [{ currency: 'euro' }, 'invalid_request_error, parameter_invalid'],
    [{ paymentMethod: 'card' }, 'invalid_request_error, resource_missing'],
  ])('with %o is refused for good', async (changes, codes) => {
    const error = await errorOf(prepared(changes))
    expect(error).toBeInstanceOf(PermanentError)
    expect(describeError(error)).toEqual({
      name: 'Payment400',
      message: `the payment service answered 400 (${codes})`,
    })
  })

  test('reuses the key of another one', async () => {
    await prepared()
    await expect(prepared({ amount: 5 })).rejects.toThrow('400 (idempotency_error)')
  })

  test('of a payment that does not exist, or could not, is refused for good', async () => {
    const unknown = await errorOf(step('undo').undo('pi_unknown'))
    expect(unknown).toMatchObject({
      name: 'Payment404',
      message: expect.stringContaining('resource_missing'),
    })
    for (const id of ['', '..', 'pi_1/../../customers', 'pi_1?a=b']) {
      await expect(step('undo').undo(id)).rejects.toThrow(new PermanentError('a payment has no such id'))
    }
  })

  test('with the wrong key is another try, and the key is in no message', async () => {
    const wrong = step('k', { changes: { PAYMENTS_API_KEY: 'sk_live_wrong' } })
    const error = await errorOf(wrong.prepare(order))
    expect(error).not.toBeInstanceOf(PermanentError)
    expect(describeError(error).message).toBe('the payment service answered 401 (invalid_request_error)')
  })
})
