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

/** Sends mail. Each step's mails are sent once, however often the step is tried. */
export type Mail = {
  /**
   * @throws PermanentError when the service will never take it; RetryLaterError when it asks for patience; any other
   * error is worth another try.
   */
  send(mail: { to: string; subject: string; text: string }): Promise<{ id: string }>
}

/** Charges cards. Each step's requests are carried out once, however often the step is tried. */
export type Payments = {
  /** Prepares a payment, and charges nothing. `amount` is in the currency's minor unit, `currency` as in ISO 4217. */
  prepare(order: {
    amount: number
    currency: string
    customer: string
    paymentMethod: string
    description: string
  }): Promise<{ paymentId: string }>
  /**
   * Charges a prepared payment; one that is charged already stays so.
   *
   * @throws PermanentError named CardDeclined when the card is declined.
   */
  charge(paymentId: string): Promise<{ paymentId: string }>
  /** Gives back what was charged, or sees to it that nothing will be. `nothing`: that had been done before. */
  undo(paymentId: string): Promise<{ did: 'refunded' | 'canceled' | 'nothing' }>
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
