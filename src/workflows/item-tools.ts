import type ms from 'ms'
import type { z } from 'zod'
import type { Db } from '../db/client.ts'
import type { Json } from '../db/json.ts'
import type { Ai, Mail, Payments, Skip, Usage } from './ports.ts'

/** What a durable workflow's author writes and is given: a handler that may last for weeks, made of named steps. */

/** For example `30 days`, `60 seconds`. */
export type Duration = ms.StringValue

/** What a step has done once is not done again, whatever becomes of the run, the Worker or the network. */
export type StepServices = {
  db: Db
  ai: Ai
  mail: Mail
  payments: Payments
  /** What the step is done for. */
  item: { workflow: string; id: string }
  /** The same for every try of the step, and for no other step: gives a service the means to act once. */
  key: string
  /** Aborts when the step's `timeout` is over; pass it on to what takes long. */
  signal: AbortSignal
}

export type StepOptions = {
  /** Further tries after the first; at most layer 3's `retries`, which is also the default. */
  retries?: number
  /** Wait before the second try, twice as long before each further one. Default: layer 3's `retryDelay`. */
  backoff?: Duration
  /** Bound on one try. Default: the workflow's `timeout`. */
  timeout?: Duration
  /**
   * It sends, charges or changes something outside by other means than mail and payments, so that where the workflow is not
   * `replaySafe` nobody gets it twice. Left out: it does not.
   */
  acts?: boolean
}

/**
 * The work of one step. What it returns is stored, so it is JSON.
 *
 * @throws PermanentError when no further try can help and nothing was done, so that nothing is undone; RetryLaterError
 * when somebody asks to come back later, which does not count as a try; any other error is worth another try.
 */
export type StepWork<T extends Json | void> = (services: StepServices) => Promise<T>

/** What an undo is given. */
export type UndoServices = StepServices & {
  /** The `key` that the step did it with. */
  stepKey: string
  /** The item has failed, or its batch was cancelled. */
  because: 'failed' | 'cancelled'
}

/** What became of one of several steps. */
export type StepOutcome<T> =
  { ok: true; value: T } | { ok: false; error: { name: string; message: string; step: string } }

/** A request that QStash makes, and what is read from its answer. */
export type CallRequest<T extends Json> = {
  url: string
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  headers: Record<string, string>
  body: string
  /**
   * Reads the last answer, which may be one of those that QStash takes for a failure.
   *
   * @throws PermanentError when it can never be what is wanted; RetryLaterError when it asks to come back later.
   */
  read(answer: CallAnswer): Promise<T>
  /** It sends, charges and changes nothing, and so may be repeated. Left out: a GET is. */
  safe?: boolean
  /** Tokens that the answer took, also one that is not what is wanted. Left out: none. */
  usage?(answer: CallAnswer): Promise<Usage>
}

export type CallAnswer = { status: number; headers: Record<string, string[]>; body: string }

export type ItemTools = {
  /**
   * Does something once and gives its result, now and whenever the handler runs again. A step that fails for good ends
   * the item, after whatever `compensate` names has been undone: nothing of the handler runs after it.
   */
  step: <T extends Json | void>(name: string, work: StepWork<T>, options?: StepOptions) => Promise<T>
  /** Does several steps at once; one that fails for good leaves the others alone. Their names are the keys. */
  parallel: <Steps extends Record<string, StepWork<Json | void>>>(
    steps: Steps,
    options?: StepOptions,
  ) => Promise<{ [Name in keyof Steps]: StepOutcome<Awaited<ReturnType<Steps[Name]>>> }>
  sleep: (name: string, duration: Duration) => Promise<void>
  /** @param time ISO 8601; a time that is past is no sleep. */
  sleepUntil: (name: string, time: string) => Promise<void>
  /**
   * Waits until somebody gives the item the event of this name, which may have happened before.
   *
   * @param wait.answerTo the step that asks for it: what was given does not stand when that is undone, and only then. Left
   * out: a wait is begun anew when the step before it is undone.
   * @returns its data, parsed; null when the time is over.
   */
  waitForEvent: <T extends Json>(
    name: string,
    wait: { data: z.ZodType<T>; timeout: Duration; answerTo?: string },
  ) => Promise<T | null>
  /** Lets QStash make a request that may take long; the item is at work meanwhile. */
  call: <T extends Json>(
    name: string,
    request: (services: { ai: CallAi; key: string }) => Promise<CallRequest<T>>,
    options?: StepOptions,
  ) => Promise<T>
  /** Gives an event to an item of a workflow that waits for it, or will. False: no batch has such an item unfinished. */
  notify: (
    name: string,
    to: { workflow: string; itemId: string; event: string },
    data: Json,
  ) => Promise<boolean>
  /**
   * Starts an item of another workflow, as by hand, and waits for its end; also for one that a batch holds already.
   *
   * @returns what became of it; null when it had not ended in time.
   */
  invoke: <P, Data extends Json>(
    name: string,
    started: { workflow: Invocable<P, Data>; itemId: string; params: P; timeout: Duration },
  ) => Promise<Invoked<Data> | null>
  /**
   * Says, before a step begins, how to undo it. When the item fails for good or its batch is cancelled, what was done is
   * undone, last step first. `result` is null when it is not known whether the step has done anything.
   */
  compensate: (
    step: string,
    undo: (services: UndoServices, result: Json) => Promise<void>,
    options?: StepOptions,
  ) => void
}

/** The part of a definition that says what may be invoked, and what comes of it. */
export type Invocable<P, Data extends Json> = {
  name: string
  params: z.ZodType<P>
  data: z.ZodType<Data>
}

/** What became of an item that was invoked. */
export type Invoked<Data> =
  { status: 'succeeded'; data: Data } | { status: 'skipped' | 'failed' | 'cancelled'; data: null }

/** A model that is asked by QStash. */
export type CallAi = {
  /** The request for an object of the given shape, to be given to `call`. */
  object<Schema extends z.ZodType<Json>>(request: {
    schema: Schema
    instructions: string
    prompt: string
    maxOutputTokens?: number
  }): Promise<CallRequest<z.output<Schema>>>
}

/**
 * Handles one item from its beginning to its end. Runs again from its start after each step, so it is only steps.
 *
 * @returns its result, or `skip(…)`, which ends it without one; what it has done stands in both cases.
 * @throws PermanentError to fail the item, after what it has done has been undone; any other error is worth another try.
 */
export type Handler<P, Data extends Json> = {
  handle(item: { id: string; params: P }, tools: ItemTools): Promise<Data | Skip>
}['handle']

/** Handlers by version. The highest one takes new items; an item keeps the version that it began with. */
export type Handlers<P, Data extends Json> = { [version: number]: Handler<P, Data> }
