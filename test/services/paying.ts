import { z } from 'zod'
import { parseEnv } from '../../src/env.ts'
import { createPayments } from '../../src/services/payments.ts'
import { lane } from '../support/lane.ts'
import { local } from '../support/rounds.ts'

export const env = parseEnv(lane.bindings)
export const order = {
  amount: 1999,
  currency: 'EUR',
  customer: 'cus_ann',
  paymentMethod: 'pm_card_visa',
  description: 'October',
}

/** The payments of one step, as a delivery of it makes them. */
export function step(key: string, { signal = AbortSignal.timeout(10_000), changes = {} } = {}) {
  const create = createPayments({ ...env, ...changes })
  if (create === null) throw new Error('payments are not configured')
  return create({ key, signal })
}

export const setFaults = (...rules: object[]) => local('payments', 'faults', { rules })
const booksSchema = z.array(
  z.object({ id: z.string(), history: z.array(z.object({ did: z.string(), key: z.string().nullable() })) }),
)
/** What happened to each payment, with the keys. */
export const history = async () =>
  booksSchema
    .parse(await local('payments', 'payments'))
    .map((payment) => payment.history.map(({ did, key }) => `${did} ${key}`))

/** A payment that is prepared. */
export async function prepared(changes: Partial<typeof order> = {}): Promise<string> {
  const { paymentId } = await step('prepare').prepare({ ...order, ...changes })
  return paymentId
}

/** A payment that is charged. */
export async function charged(): Promise<string> {
  const id = await prepared()
  await step('charge').charge(id)
  return id
}
