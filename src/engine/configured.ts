import type { ServiceName, StepServices, Workflow } from '../workflows/contract.ts'
import type { Scope } from '../services/idempotency-keys.ts'
import type { Services } from './services.ts'

/** The settings that a service wants, all of which are missing or none. */
const settings = { mail: ['MAIL_API_KEY', 'MAIL_FROM'], payments: ['PAYMENTS_API_KEY'] } as const

/** Names of the settings that a workflow wants and that are not all there. Empty: it may start. */
export function missingSettings(
  { createMail, createPayments }: Pick<Services, 'createMail' | 'createPayments'>,
  { uses }: Workflow,
): string[] {
  const made = { mail: createMail, payments: createPayments }
  return uses.flatMap((service) => (made[service] === null ? settings[service] : []))
}

/** A service that the workflow uses is not configured. */
export type Unconfigured = { outcome: 'unconfigured'; missing: string[] }

export const notConfigured = (missing: readonly string[]) => `not configured: ${missing.join(', ')} missing`

const fail = (service: ServiceName) => () =>
  Promise.reject(new Error(`${service}: ${settings[service].join(', ')} missing`))

/**
 * The services of one step; one that is not configured fails when it is used.
 *
 * @param onUse is told before anything is asked of them.
 */
export function stepServices(
  { createMail, createPayments }: Services,
  scope: Scope,
  onUse: () => void,
): Pick<StepServices, 'mail' | 'payments'> {
  const pay = fail('payments')
  const mail = createMail?.(scope) ?? { send: fail('mail') }
  const payments = createPayments?.(scope) ?? { prepare: pay, charge: pay, undo: pay }
  const noted =
    <Asked, Answer>(act: (asked: Asked) => Promise<Answer>) =>
    (asked: Asked) => {
      onUse()
      return act(asked)
    }
  return {
    mail: { send: noted(mail.send) },
    payments: {
      prepare: noted(payments.prepare),
      charge: noted(payments.charge),
      undo: noted(payments.undo),
    },
  }
}
