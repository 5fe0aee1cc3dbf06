import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { describeError, PermanentError, RetryLaterError } from '../../src/errors.ts'
import { local } from '../support/rounds.ts'
import { errorOf } from './error-of.ts'
import { charged, history, order, prepared, setFaults, step } from './paying.ts'

beforeEach(async () => {
  await local('payments', 'reset', {})
})
afterEach(() => {
  vi.restoreAllMocks()
})

/** Does something right after the next answer of the service. */
function afterTheFirstAnswer(act: () => Promise<unknown>) {
  const ask = globalThis.fetch
  vi.spyOn(globalThis, 'fetch').mockImplementationOnce(async (input, init) => {
    const response = await ask(input, init)
    await act()
    return response
  })
}

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
    // A request that is answered from the store uses the rule up too.
    await setFaults({ operation: 'confirm', stored: true, times: 3 })
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

describe('a payment that somebody else changes between look and act', () => {
  test('was charged: it is charged once', async () => {
    const id = await prepared()
    afterTheFirstAnswer(() => step('other').charge(id))
    expect(await step('charge').charge(id)).toEqual({ paymentId: id })
    expect(await history()).toEqual([['created prepare', 'charged other']])
  })

  test('was charged: it is refunded instead of canceled', async () => {
    const id = await prepared()
    afterTheFirstAnswer(() => step('other').charge(id))
    expect(await step('undo').undo(id)).toEqual({ did: 'refunded' })
    expect(await history()).toEqual([['created prepare', 'charged other', 'refunded undo']])
  })

  test('was undone: nothing is left to undo, or to charge', async () => {
    const [first, second] = [await charged(), (await step('second').prepare(order)).paymentId]
    for (const id of [first, second]) {
      afterTheFirstAnswer(() => step(`other-${id}`).undo(id))
      expect(await step('undo').undo(id)).toEqual({ did: 'nothing' })
    }
    const third = (await step('third').prepare(order)).paymentId
    afterTheFirstAnswer(() => step('other').undo(third))
    await expect(step('late').charge(third)).rejects.toThrow('the payment cannot be charged (canceled)')
  })
})

describe('a bank', () => {
  test('that has not decided yet is asked again later', async () => {
    vi.spyOn(globalThis, 'fetch')
      .mockResolvedValueOnce(Response.json({ id: 'pi_1', status: 'processing' }))
      .mockResolvedValueOnce(Response.json({ id: 'pi_1', status: 'processing' }))
    const later = { name: 'RetryLaterError', seconds: 60 }
    expect(await errorOf(step('charge').charge('pi_1'))).toMatchObject(later)
    expect(await errorOf(step('undo').undo('pi_1'))).toMatchObject(later)
  })

  test('that takes no refund back needs somebody to look', async () => {
    vi.spyOn(globalThis, 'fetch')
      .mockResolvedValueOnce(Response.json({ id: 'pi_1', status: 'succeeded' }))
      .mockResolvedValueOnce(Response.json({ id: 're_1', status: 'failed' }))
    const error = await errorOf(step('undo').undo('pi_1'))
    expect(error).toBeInstanceOf(PermanentError)
    expect(error).toHaveProperty('name', 'RefundFailed')
  })
})
