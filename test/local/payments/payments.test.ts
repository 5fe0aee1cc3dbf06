import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { startPayments, type LocalPayments } from './start.ts'

let local: LocalPayments

beforeAll(async () => {
  local = await startPayments()
})
afterEach(() => local.reset())
afterAll(() => local.close())

const order = {
  amount: '1999',
  currency: 'eur',
  customer: 'cus_ann',
  payment_method: 'pm_card_visa',
  'payment_method_types[0]': 'card',
  description: 'October',
}

type Init = { method?: string; headers?: Record<string, string>; body?: string }

async function request(path: string, init: Init = {}) {
  const response = await fetch(`${local.url}/v1/${path}`, {
    ...init,
    headers: { authorization: `Bearer ${local.apiKey}`, ...init.headers },
  })
  const body = z.looseObject({ id: z.string().optional() }).parse(await response.json())
  return { status: response.status, body, replayed: response.headers.get('idempotent-replayed') }
}
const post = (path: string, form: Record<string, string>, key?: string) =>
  request(path, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      ...(key === undefined ? {} : { 'idempotency-key': key }),
    },
    body: new URLSearchParams(form).toString(),
  })
const prepare = async (changes: Record<string, string> = {}, key?: string) =>
  (await post('payment_intents', { ...order, ...changes }, key)).body.id ?? ''
const confirm = (id: string, key?: string, offSession = 'true') =>
  post(`payment_intents/${id}/confirm`, { off_session: offSession }, key)
const cancel = (id: string, key?: string) => post(`payment_intents/${id}/cancel`, {}, key)
const refund = (id: string, key?: string) => post('refunds', { payment_intent: id }, key)
const read = (id: string) => request(`payment_intents/${id}?expand[]=latest_charge`)
const localRoute = (path: string, body?: object) =>
  fetch(
    `${local.url}/local/${path}`,
    body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) },
  )
/** Until so many requests have come in. */
const requestsSeen = (requests: number) =>
  expect.poll(async () => await (await localRoute('stats')).json()).toMatchObject({ requests })
const setFaults = (...rules: object[]) => localRoute('faults', { rules })
const history = () => local.payments().map((payment) => payment.history.map(({ did }) => did))
const error = (details: object) => ({ error: expect.objectContaining(details) })

describe('a payment', () => {
  it('is created, charged and refunded, and its history can be looked at', async () => {
    const id = await prepare({}, 'k1')
    expect((await read(id)).body).toMatchObject({ status: 'requires_confirmation', latest_charge: null })
    expect((await confirm(id, 'k2')).body).toMatchObject({ status: 'succeeded', amount_received: 1999 })
    expect((await refund(id, 'k3')).body).toMatchObject({
      object: 'refund',
      status: 'succeeded',
      amount: 1999,
    })
    expect((await read(id)).body).toMatchObject({ latest_charge: { refunded: true } })
    const payments: unknown = await (await localRoute('payments')).json()
    expect(payments).toEqual([
      {
        id,
        amount: 1999,
        currency: 'eur',
        customer: 'cus_ann',
        description: 'October',
        state: 'refunded',
        history: [
          { did: 'created', key: 'k1', at: expect.any(String) },
          { did: 'charged', key: 'k2', at: expect.any(String) },
          { did: 'refunded', key: 'k3', at: expect.any(String) },
        ],
      },
    ])
  })

  it.each([
    ['pm_card_chargeDeclined', 'card_declined', 'generic_decline'],
    ['pm_card_chargeDeclinedInsufficientFunds', 'card_declined', 'insufficient_funds'],
    ['pm_card_chargeDeclinedExpiredCard', 'expired_card', 'expired_card'],
    ['pm_card_authenticationRequired', 'authentication_required', 'authentication_required'],
  ])('by %s is declined', async (payment_method, code, decline_code) => {
    const id = await prepare({ payment_method })
    const { status, body } = await confirm(id)
    expect(status).toBe(402)
    expect(body).toEqual(error({ type: 'card_error', code, decline_code }))
    expect((await read(id)).body).toMatchObject({
      status: 'requires_payment_method',
      last_payment_error: { code },
    })
    expect((await confirm(id)).body).toEqual(error({ code: 'payment_intent_unexpected_state' }))
    expect(history()).toEqual([['created', 'declined']])
  })

  it('may ask a customer who is there', async () => {
    const id = await prepare({ payment_method: 'pm_card_authenticationRequired' })
    expect((await confirm(id, undefined, 'false')).body).toMatchObject({ status: 'requires_action' })
  })

  it('is charged once, refunded once, and canceled only before', async () => {
    const id = await prepare()
    await confirm(id)
    expect((await confirm(id)).body).toEqual(error({ code: 'payment_intent_unexpected_state' }))
    expect((await cancel(id)).body).toEqual(error({ code: 'payment_intent_unexpected_state' }))
    await refund(id)
    expect((await refund(id)).body).toEqual(error({ code: 'charge_already_refunded' }))
    expect(history()).toEqual([['created', 'charged', 'refunded']])
  })

  it('that is canceled is neither charged nor refunded', async () => {
    const id = await prepare()
    expect((await cancel(id)).body).toMatchObject({ status: 'canceled' })
    expect([(await confirm(id)).status, (await refund(id)).status]).toEqual([400, 400])
    expect(history()).toEqual([['created', 'canceled']])
  })

  it('is not confirmed while it might send the customer elsewhere', async () => {
    const { 'payment_method_types[0]': _, ...anyMethod } = order
    const { body } = await post('payment_intents', anyMethod)
    expect((await confirm(body.id ?? '')).body).toEqual(error({ param: 'return_url' }))
  })
})

describe('a request', () => {
  it.each([
    [{ amount: '19.99' }, { code: 'parameter_invalid', param: 'amount' }],
    [{ currency: 'EUR' }, { code: 'parameter_invalid', param: 'currency' }],
    [{ colour: 'red' }, { code: 'parameter_unknown', param: 'colour' }],
    [{ payment_method: 'pm_card_unheardOf' }, { code: 'resource_missing', param: 'payment_method' }],
  ])('with %o is refused', async (changes, details) => {
    const { status, body } = await post('payment_intents', { ...order, ...changes })
    expect(status).toBe(400)
    expect(body).toEqual(error({ type: 'invalid_request_error', ...details }))
  })

  it('needs a key, a known payment and a known path', async () => {
    const wrongKey = await request('payment_intents/pi_1', { headers: { authorization: 'Bearer wrong' } })
    expect(wrongKey.status).toBe(401)
    expect((await read('pi_1')).body).toEqual(error({ code: 'resource_missing' }))
    expect((await request('invoices')).status).toBe(404)
  })
})

describe('an idempotency key', () => {
  it('answers the same again, a decline too', async () => {
    const id = await prepare({}, 'k1')
    expect(await prepare({}, 'k1')).toBe(id)
    const declined = await prepare({ payment_method: 'pm_card_chargeDeclined' })
    const [first, again] = [await confirm(declined, 'k2'), await confirm(declined, 'k2')]
    expect(again).toEqual({ ...first, replayed: 'true' })
    expect(history()).toEqual([['created'], ['created', 'declined']])
  })

  it('is not used up by a request that is not valid', async () => {
    expect((await post('payment_intents', { ...order, amount: '0' }, 'k1')).status).toBe(400)
    expect((await post('payment_intents', order, 'k1')).status).toBe(200)
  })

  it('is refused for other parameters, and for another endpoint', async () => {
    const id = await prepare({}, 'k1')
    const others = [await post('payment_intents', { ...order, amount: '1' }, 'k1'), await cancel(id, 'k1')]
    for (const { status, body } of others) {
      expect(status).toBe(400)
      expect(body).toEqual(error({ type: 'idempotency_error' }))
    }
  })

  it('is refused while its first request is under way, and so is the payment', async () => {
    const id = await prepare()
    await setFaults({ operation: 'confirm', delayMs: 150 })
    const first = confirm(id, 'k1')
    await requestsSeen(2)
    expect(await cancel(id, 'k2')).toMatchObject({
      status: 429,
      body: error({ code: 'lock_timeout' }),
    })
    expect(await confirm(id, 'k1')).toMatchObject({
      status: 409,
      body: error({ code: 'idempotency_key_in_use' }),
    })
    expect((await first).body).toMatchObject({ status: 'succeeded' })
  })
})

describe('faults', () => {
  it('decline a card when it is charged', async () => {
    await setFaults({ match: 'cus_ann', declined: 'lost_card', times: 1 })
    const id = await prepare()
    expect((await confirm(id)).body).toEqual(error({ code: 'card_declined', decline_code: 'lost_card' }))
    expect((await confirm(await prepare())).status).toBe(200)
  })

  it('refuse a request before it begins', async () => {
    const id = await prepare()
    await setFaults({ operation: 'confirm', status: 503, times: 1 })
    expect((await confirm(id, 'k1')).status).toBe(503)
    expect(history()).toEqual([['created']])
    expect((await confirm(id, 'k1')).status).toBe(200)
  })

  it('lose an answer after the charge', async () => {
    const id = await prepare()
    await setFaults({ operation: 'confirm', acts: true, timesPerKey: 1 })
    expect((await confirm(id, 'k1')).status).toBe(500)
    expect(await confirm(id, 'k1')).toMatchObject({ status: 200, replayed: 'true' })
    expect(history()).toEqual([['created', 'charged']])
  })

  it.each([
    [true, ['created', 'charged']],
    [false, ['created']],
  ])('store an error for good, whether the charge was made (%o) or not', async (acts, did) => {
    const id = await prepare()
    await setFaults({ operation: 'confirm', stored: true, acts, times: 1 })
    expect(await confirm(id, 'k1')).toMatchObject({ status: 500, replayed: null })
    expect(await confirm(id, 'k1')).toMatchObject({ status: 500, replayed: 'true' })
    expect(history()).toEqual([did])
  })

  it('hit reads only when they are named', async () => {
    const id = await prepare()
    await setFaults({ status: 500 })
    expect((await read(id)).status).toBe(200)
    await setFaults({ operation: 'retrieve', status: 500 })
    expect((await read(id)).status).toBe(500)
  })

  it('must be valid, and can be cleared', async () => {
    expect((await setFaults({ operation: 'capture' })).status).toBe(400)
    await localRoute('faults', { down: true })
    expect((await post('payment_intents', order)).status).toBe(503)
    await localRoute('reset', {})
    expect((await post('payment_intents', order)).status).toBe(200)
  })
})
