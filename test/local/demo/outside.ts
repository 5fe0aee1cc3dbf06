import type { Stack } from '../stack.ts'

export type Outside = Pick<Stack, 'mail' | 'payments'>

/** What the mail and the payment service have got, in a line; null: nothing. */
export function whatHappenedOutside({ mail, payments }: Outside): string | null {
  const sent = mail.sent()
  const made = payments.payments()
  if (sent.length + made.length === 0) return null
  const count = (state: string) => made.filter((payment) => payment.state === state).length
  return `Outside: ${sent.length} mails sent; ${count('charged')} payments charged, ${count('refunded')} refunded, ${count('canceled')} canceled, as their cards were declined`
}
