import type { HeaderLists, HeaderMap } from './headers.ts'
import type { CallbackOptions } from './publish-options.ts'
import type { LogEntry, Run } from './run.ts'
import type { Timer } from './timers.ts'

/** One failed attempt, as the logs show it. */
export type AttemptError = { error: string; body: string; headers: HeaderLists; status: number; time: number }

/**
 * What a message is for: a step of a run, the external call of `context.call` and its result, the failure callback
 * of a run, or a plain message and the report on it.
 */
export type MessageKind = 'step' | 'call' | 'call-result' | 'failure' | 'plain' | 'callback'

/** One message and how far its delivery has come. */
export type Message = {
  readonly id: string
  readonly kind: MessageKind
  readonly url: string
  readonly method: string
  /** Headers to deliver, without those that the server adds itself. */
  readonly headers: HeaderMap
  /** The published body. A step is delivered with the log of its run instead. */
  readonly body: string
  readonly createdAt: number
  readonly notBefore: number
  readonly retries: number
  readonly retryDelay: string | undefined
  readonly timeoutMs: number | undefined
  readonly flowKey: string
  readonly labels: readonly string[]
  readonly run: Run | undefined
  readonly entry: LogEntry | undefined
  readonly callback: CallbackOptions | undefined
  readonly failureCallback: CallbackOptions | undefined
  /** First delivery of a run started over REST. */
  readonly viaRest: boolean
  state: 'held' | 'delayed' | 'ready' | 'in-flight' | 'done' | 'dropped'
  timer: Timer | undefined
  retried: number
  errors: AttemptError[]
}

/** What an attempt to deliver came back with; `error` is set when there was no HTTP response. */
export type Outcome = { status: number; headers: Record<string, string[]>; body: Buffer; error?: string }

/** One attempt that is under way. */
export type Delivery = {
  readonly id: string
  readonly message: Message
  /** Messages that this attempt has published: they wait until it has answered. */
  readonly holds: { message: Message; dueAt: number }[]
  readonly abort: AbortController
  /** Set when nobody cares about the outcome any more. */
  ignored: boolean
}
