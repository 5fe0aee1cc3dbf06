import { z } from 'zod'
import { local } from './rounds.ts'

const mailSchema = z.array(
  z.object({ to: z.string(), subject: z.string(), text: z.string(), key: z.string().nullable() }),
)
const paymentsSchema = z.array(
  z.object({
    customer: z.string(),
    amount: z.number(),
    state: z.string(),
    history: z.array(z.object({ did: z.string() })),
  }),
)

/** The mails that the mail service really sent, in order. */
export const mails = async () => mailSchema.parse(await local('mail', 'sent'))
export const subjects = async () => (await mails()).map(({ subject }) => subject)

/** What the payment service has in its books: each payment, and what happened to it. */
export const payments = async () =>
  paymentsSchema.parse(await local('payments', 'payments')).map(({ customer, amount, state, history }) => ({
    customer,
    amount,
    state,
    history: history.map(({ did }) => did),
  }))
