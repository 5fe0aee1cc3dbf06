import { z } from 'zod'
import { answerUnderFault } from '../answer-under-fault.ts'
import { FaultSwitch } from '../fault-switch.ts'
import { IdempotencyKeys, type Reply } from '../idempotency-keys.ts'
import { RequestCount } from '../request-count.ts'
import { faultRule, RequestFaults } from '../request-faults.ts'
import { Books } from './books.ts'
import type { Payment } from './payment.ts'
import { errorOfStatus, StripeError } from './stripe-error.ts'

const paymentRule = faultRule.extend({
  /** Only requests of this kind; else any that changes something. */
  operation: z.enum(['create', 'confirm', 'cancel', 'refund', 'retrieve']).optional(),
  /** The card declines with this decline code, when it is charged. */
  declined: z.string().min(1).optional(),
})

type Rule = z.infer<typeof paymentRule>
type Operation = NonNullable<Rule['operation']>

/** Whom a request is about. */
type About = Pick<Payment, 'customer' | 'description'>

/** A request that changes something. */
type Change = {
  operation: Operation
  path: string
  form: string
  key: string | undefined
  about: About
  /** The payment that nobody else may change meanwhile. */
  locked: string | null
  act: (key: string | null, declined: string | undefined) => object
}

const MAX_KEY = 255

/** Where requests are taken: once under each key, one at a time for each payment, with the faults that were asked for. */
export class Counter {
  readonly books = new Books()
  readonly count = new RequestCount()
  readonly faultSwitch = new FaultSwitch((message) => new StripeError(500, message).reply.body)
  readonly faults = new RequestFaults(paymentRule, this.faultSwitch)
  readonly #locked = new Set<string>()
  readonly #keys = new IdempotencyKeys(keyErrors)

  readonly stats = () => this.count.read()

  readonly reset = () => {
    this.faults.clear()
    this.count.clear()
    this.#keys.clear()
    this.#locked.clear()
    this.books.clear()
  }

  /** Answers a request that changes nothing. */
  async look(id: string, act: (payment: Payment) => object): Promise<Reply> {
    const payment = this.books.get(id)
    return await answerUnderFault({
      rule: this.#ruleFor('retrieve', payment, undefined),
      wait: (ms) => this.faults.wait(ms),
      once: (work) => work(),
      act: () => replyOf(() => act(payment)),
      error: errorOfStatus,
    })
  }

  /** Answers a request that changes something. @throws StripeError when its key is too long. */
  async change({ operation, path, form, key, about, locked, act }: Change): Promise<Reply> {
    if (key !== undefined && key.length > MAX_KEY) {
      const message = `Idempotency keys may have at most ${MAX_KEY} characters.`
      throw new StripeError(400, message, { type: 'idempotency_error' })
    }
    const rule = this.#ruleFor(operation, about, key)
    return await answerUnderFault({
      rule,
      wait: (ms) => this.faults.wait(ms),
      once: (work) => this.#keys.once(key, `${path}\n${form}`, () => this.#alone(locked, work)),
      act: () => replyOf(() => act(key ?? null, rule?.declined)),
      error: errorOfStatus,
    })
  }

  #ruleFor(
    operation: Operation,
    { customer, description }: About,
    key: string | undefined,
  ): Rule | undefined {
    return this.faults.take({ subject: `${customer ?? ''} ${description ?? ''}`, key }, (rule) => {
      const wanted = rule.declined === undefined ? rule.operation : 'confirm'
      return wanted === undefined ? operation !== 'retrieve' : operation === wanted
    })
  }

  async #alone(id: string | null, work: () => Promise<Reply>): Promise<Reply> {
    if (id === null) return await work()
    if (this.#locked.has(id)) return lockTimeout().reply
    this.#locked.add(id)
    try {
      return await work()
    } finally {
      this.#locked.delete(id)
    }
  }
}

function replyOf(act: () => object): Reply {
  try {
    return { status: 200, body: act(), kept: true }
  } catch (error) {
    if (error instanceof StripeError) return error.reply
    throw error
  }
}

const lockTimeout = () =>
  new StripeError(
    429,
    'This object cannot be accessed right now because another API request or Stripe process is currently accessing it.',
    { code: 'lock_timeout' },
  )

const keyErrors = {
  otherRequest: (key: string, { first, now }: { first: string; now: string }) => {
    const [firstPath] = first.split('\n')
    const [path] = now.split('\n')
    const allowed =
      firstPath === path
        ? 'with the same parameters they were first used with'
        : `for the same endpoint they were first used for ('${path}' vs '${firstPath}')`
    const message = `Keys for idempotent requests can only be used ${allowed}. Try using a key other than '${key}' if you meant to execute a different request.`
    return new StripeError(400, message, { type: 'idempotency_error' }).reply
  },
  underWay: (key: string) =>
    new StripeError(
      409,
      `There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, and the other request is still going through): ${key}. Please try again later.`,
      { code: 'idempotency_key_in_use' },
    ).reply,
}
