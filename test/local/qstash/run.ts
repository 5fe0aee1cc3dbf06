import type { HeaderLists, HeaderMap } from './headers.ts'
import type { AttemptError, Delivery, Message } from './message.ts'
import type { CallbackOptions } from './publish-options.ts'

/** State of a run, in the words of the logs. */
export type RunState = 'RUN_STARTED' | 'RUN_SUCCESS' | 'RUN_FAILED' | 'RUN_CANCELED'

/** State of a failure callback, in the words of the logs. */
export type CallbackState = 'CALLBACK_INPROGRESS' | 'CALLBACK_SUCCESS' | 'CALLBACK_FAIL' | 'CALLBACK_CANCELED'

/** The fields of a step that the server acts on or that the logs show. */
export type StepInfo = {
  stepId: number
  stepName: string
  stepType: string
  concurrent: number
  targetStep?: number
  sleepUntil?: number
}

/** One message of a run, in publishing order. */
export type LogEntry = {
  readonly messageId: string
  readonly callType: 'step' | 'toCallback' | 'fromCallback'
  readonly createdAt: number
  /** The step that was published, or that a call belongs to; absent for the initial payload. */
  readonly step: StepInfo | undefined
  readonly body: string
  readonly bytes: number
  readonly headers: HeaderMap
  readonly url: string
  readonly method: string
  /** Where the answer to a call goes. */
  readonly callback?: CallbackOptions
  delivered: boolean
  errors: AttemptError[]
}

/** How the deliveries of a run are made; sent once, when it is triggered. */
export type RunConfig = {
  retries: number
  retryDelay: string | undefined
  timeoutMs: number | undefined
  flowKey: string
  forward: HeaderMap
  labels: readonly string[]
  featureSet: string
  failureCallback: CallbackOptions | undefined
  redact: string | undefined
}

/** The step of another run that waits for this run. */
export type Invoker = {
  runId: string
  createdAt: number
  url: string
  step: StepInfo & Record<string, unknown>
  headers: HeaderMap
}

/** The failure callback of a run. */
export type FailureReport = {
  message: Message
  state: CallbackState
  status: number
  headers: HeaderLists
  body: string
  response?: { status: number; headers: HeaderLists; body: string }
}

/** One workflow run. */
export type Run = {
  readonly id: string
  /** Its first message. */
  readonly messageId: string
  /** Position in the order of creation. */
  readonly sequence: number
  readonly url: string
  readonly createdAt: number
  readonly callerIp: string
  readonly config: RunConfig
  readonly invoker: Invoker | undefined
  readonly log: LogEntry[]
  /** Messages that are not delivered yet. */
  readonly pending: Set<Message>
  readonly inFlight: Set<Delivery>
  /** About steps that wait for somebody else, by step id. */
  notes: Map<number, { step: StepInfo; fields: Record<string, unknown> }> | undefined
  state: RunState
  completedAt: number | undefined
  /** Tick until which the id stays taken after the end. */
  takenUntil: number
  response: string | undefined
  dlqId: string | undefined
  failure: FailureReport | undefined
  /** False once the bodies of the log are gone. */
  readable: boolean
}
