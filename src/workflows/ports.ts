import type { z } from 'zod'
import type { Db } from '../db/client.ts'
import type { Json } from '../db/json.ts'

/** What the engine gives to a workflow's code. */

export type Usage = { inputTokens: number; outputTokens: number }

/** A stored result with what is known of its making. Times are ISO 8601. */
export type Result<Data> = {
  version: string
  data: Data
  model: string | null
  usage: Usage
  generatedAt: string
  /** Null: fresh for as long as the version holds. */
  expiresAt: string | null
}

/** A language model. What it uses is added up by the engine and stored with the item's result. */
export type Ai = {
  /**
   * Asks for an object of the given shape.
   *
   * @throws PermanentError when the model refuses the request itself; any other error is worth another try, also
   * output that does not fit the shape.
   */
  object<Schema extends z.ZodType>(request: {
    schema: Schema
    instructions: string
    prompt: string
    maxOutputTokens?: number
  }): Promise<z.output<Schema>>
}

/**
 * Sends mail. Whatever a step sends again, it sends under the same keys, so that it arrives once; the service remembers
 * a key for 24 hours.
 */
export type Mail = {
  /**
   * Sends one mail as plain text.
   *
   * @param mail.to one address.
   * @returns the service's id of the mail.
   * @throws PermanentError when the service refuses the mail as it is, RetryLaterError when it asks for patience; any
   * other error is worth another try.
   */
  send: (mail: { to: string; subject: string; text: string }) => Promise<{ id: string }>
}

/**
 * Charges cards that customers have saved. A payment is prepared, then charged, and may be undone. Whatever a step asks
 * for again, it asks for under the same keys; the service remembers a key for 24 hours, and the state of a payment for
 * good. All throw PermanentError when the service refuses the request as it is, RetryLaterError when it asks for
 * patience; any other error is worth another try.
 */
export type Payments = {
  /**
   * Prepares a payment without charging anything.
   *
   * @param order.amount in the currency's minor unit: 1999 is 19.99 euros, but 1999 yen.
   * @param order.currency ISO 4217: `eur`.
   * @param order.customer, order.paymentMethod the service's ids of who pays, and of a card that this customer saved.
   * @param order.description what the customer and the books are told.
   */
  prepare: (order: {
    amount: number
    currency: string
    customer: string
    paymentMethod: string
    description: string
  }) => Promise<{ paymentId: string }>
  /**
   * Charges a prepared payment while the customer is away; one that is already charged stays charged once.
   *
   * @throws PermanentError named CardDeclined when the card is declined, also when only the customer could approve it.
   * That is final: another try needs a payment that is prepared anew.
   */
  charge: (paymentId: string) => Promise<{ paymentId: string }>
  /**
   * Undoes whatever a payment has done: refunds a charged one, cancels one that is not charged.
   *
   * @returns what it did; `nothing`: the payment was undone before.
   */
  undo: (paymentId: string) => Promise<{ did: 'refunded' | 'canceled' | 'nothing' }>
}

/** What a workflow may use beside the database and the model, where it is configured. */
export type ServiceName = 'mail' | 'payments'

/** Where readers look first. Losing it loses nothing. */
export type Cache = {
  get(key: string): Promise<unknown>
  /** @param ttlSeconds null keeps the entry until it is overwritten. */
  set(key: string, value: Json, ttlSeconds: number | null): Promise<void>
}

/** What `work` returns for an item that turns out to need nothing. */
export class Skip {
  readonly reason: string
  constructor(reason: string) {
    this.reason = reason
  }
}
export const skip = (reason: string) => new Skip(reason)

export type WorkTools<P> = {
  db: Db
  ai: Ai
  params: P
  /** Aborts when the item's `timeout` is over; pass it on to what takes long. */
  signal: AbortSignal
}

/** The cache, and the scope that a result belongs to. */
export type CacheTools = { cache: Cache; scope: string }

/** Serves an item's result over HTTP: the owner's own text, else the generated one, else `empty`. */
export type Reader<Data> = {
  /** Has one path parameter, the item's id: `/api/agents/:agentId/welcome`. */
  path: string
  empty: Data
  /** The owner's own text (null: there is none), or undefined when no such item exists. */
  own(tools: { db: Db }, id: string): Promise<Data | null | undefined>
  /** The cached result, or null on a miss or a broken entry. */
  cached(tools: CacheTools, id: string): Promise<Result<Data> | null>
}
