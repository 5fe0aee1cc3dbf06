import { randomUUID } from 'node:crypto'
import { answerUnderFault } from '../answer-under-fault.ts'
import { FaultSwitch } from '../fault-switch.ts'
import { IdempotencyKeys, type Reply } from '../idempotency-keys.ts'
import { RequestCount } from '../request-count.ts'
import { faultRule, RequestFaults } from '../request-faults.ts'
import { parseMailRequest } from './mail-request.ts'
import { errorBody, errorOfStatus, errorReply, ResendError } from './resend-error.ts'

/** A mail that went out. */
export type SentMail = {
  id: string
  from: string
  /** Every recipient, with commas between them. */
  to: string
  subject: string
  text: string
  /** The idempotency key that it was sent under. */
  key: string | null
  /** ISO 8601. */
  at: string
}

const MAX_KEY = 256

/** Takes mails, and keeps those that went out. */
export class Outbox {
  readonly count = new RequestCount()
  readonly faultSwitch = new FaultSwitch((message) => errorBody(500, 'application_error', message))
  readonly faults = new RequestFaults(faultRule, this.faultSwitch)
  readonly #keys = new IdempotencyKeys({
    otherRequest: () =>
      errorReply(
        409,
        'invalid_idempotent_request',
        'Same idempotency key used with a different request payload.',
      ),
    underWay: () =>
      errorReply(
        409,
        'concurrent_idempotent_requests',
        'Same idempotency key used while original request is still in progress.',
      ),
  })
  #sent: SentMail[] = []

  readonly stats = () => ({ ...this.count.read(), sent: this.#sent.length })

  readonly reset = () => {
    this.faults.clear()
    this.count.clear()
    this.#keys.clear()
    this.#sent = []
  }

  sent(): SentMail[] {
    return this.#sent.slice()
  }

  /** @throws ResendError when the mail is not one. */
  async take(text: string, key: string | undefined): Promise<Reply> {
    if (key !== undefined && (key === '' || key.length > MAX_KEY)) {
      throw new ResendError(400, 'invalid_idempotency_key', 'The key must be between 1-256 chars.')
    }
    const { from, to: recipients, subject, text: content } = parseMailRequest(text)
    const to = recipients.join(', ')
    const rule = this.faults.take({ subject: `${to} ${subject}`, key })
    return await answerUnderFault({
      rule,
      wait: (ms) => this.faults.wait(ms),
      once: (work) => this.#keys.once(key, text, work),
      act: () => {
        const id = randomUUID()
        this.#sent.push({
          id,
          from,
          to,
          subject,
          text: content,
          key: key ?? null,
          at: new Date().toISOString(),
        })
        return { status: 200, body: { id }, kept: true }
      },
      error: errorOfStatus,
    })
  }
}
