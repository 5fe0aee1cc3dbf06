import { beforeEach, describe, expect, test } from 'vitest'
import { describeError, PermanentError } from '../../src/errors.ts'
import { createPayments } from '../../src/services/payments.ts'
import { local } from '../support/rounds.ts'
import { errorOf } from './error-of.ts'
import { charged, env, history, order, prepared, setFaults, step } from './paying.ts'

beforeEach(async () => {
  await local('payments', 'reset', {})
})

async function prepareAndCharge() {
  const ours = step('both')
  const { paymentId } = await ours.prepare(order)
  return await ours.charge(paymentId)
}

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
    expect(await prepareAndCharge()).toEqual(await prepareAndCharge())
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
    // What is charged is not asked for again.
    await setFaults({ operation: 'confirm', status: 500 })
    expect(await step('other').charge(paymentId)).toEqual({ paymentId })
    expect(await history()).toEqual([['created prepare', 'charged charge']])
  })

  test('that was undone is not charged', async () => {
    const [canceled, refunded] = [(await step('other').prepare(order)).paymentId, await charged()]
    for (const id of [canceled, refunded]) await step('undo').undo(id)
    const notCanceled = new PermanentError('the payment cannot be charged (canceled)')
    await expect(step('late').charge(canceled)).rejects.toThrow(notCanceled)
    const notRefunded = new PermanentError('the payment cannot be charged (refunded)')
    await expect(step('late').charge(refunded)).rejects.toThrow(notRefunded)
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
