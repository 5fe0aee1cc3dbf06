import { headerLists } from './headers.ts'
import type { Delivery, Message } from './message.ts'
import { newId } from './ids.ts'
import type { CallbackOptions, DeliveryOptions } from './publish-options.ts'
import type { LogEntry, Run, StepInfo } from './run.ts'
import { appendEntry, stepSummary } from './step-log.ts'
import type { World } from './world.ts'

const DEFAULT_RETRIES = 3

type NewMessage = Pick<Message, 'kind' | 'url' | 'body'> & Partial<Message>

/** A message with defaults for whatever is not given. */
export function createMessage(world: World, input: NewMessage): Message {
  const createdAt = world.clock.now()
  return {
    id: newId('msg'),
    method: 'POST',
    headers: {},
    createdAt,
    notBefore: createdAt,
    retries: DEFAULT_RETRIES,
    retryDelay: undefined,
    timeoutMs: undefined,
    flowKey: '',
    labels: [],
    run: undefined,
    entry: undefined,
    callback: undefined,
    failureCallback: undefined,
    viaRest: false,
    state: 'done',
    timer: undefined,
    retried: 0,
    errors: [],
    ...input,
  }
}

/** The tick at which a message is due. An absolute time wins over a delay. */
export function dueTick(world: World, options: DeliveryOptions, sleepUntil?: number): number {
  if (options.notBefore === undefined) return world.clock.after(options.delayMs)
  // The header is rounded to a second and may be early: the step carries the exact time.
  return world.clock.until(sleepUntil === undefined ? options.notBefore : sleepUntil * 1000)
}

/** Makes the limits of a message those of its key. */
export function applyFlow(world: World, flow: DeliveryOptions['flow']): string | undefined {
  if (flow?.limits) world.flows.get(flow.key).use(flow.limits)
  return flow?.key
}

/** The only step that a delivery can publish, when it executes one branch or brings the answer to one call. */
function branchOf({ entry, kind }: Message): number | undefined {
  return kind === 'call-result' ? entry?.step?.stepId : entry?.step?.targetStep
}

/**
 * The delivery that is publishing this step, where it can be told: the one that executes this branch, or else the
 * newest one that is bound to no branch.
 */
export function publisherOf(run: Run, stepId?: number): Delivery | undefined {
  const deliveries = [...run.inFlight].filter(({ message }) => message.kind !== 'call')
  return (
    deliveries.find(({ message }) => stepId !== undefined && branchOf(message) === stepId) ??
    deliveries.findLast(({ message }) => branchOf(message) === undefined)
  )
}

type NewStep = {
  step: StepInfo
  body: string
  url: string
  /** Protocol headers of this delivery only. */
  headers: Message['headers']
  options?: DeliveryOptions
  publisher?: Delivery | undefined
}

/** Appends a step to a run and delivers the log up to it. */
export function sendStep(world: World, run: Run, input: NewStep): Message {
  const { options, step } = input
  const entry = appendEntry(run, {
    callType: 'step',
    createdAt: world.clock.now(),
    step: stepSummary(step),
    body: input.body,
    headers: input.headers,
    url: input.url,
    method: 'POST',
  })
  const dueAt = options ? dueTick(world, options, step.sleepUntil) : world.clock.ticks()
  return deliverEntry(world, run, entry, {
    ...input,
    dueAt,
    publisher: input.publisher ?? publisherOf(run, step.stepId),
  })
}

type EntryDelivery = {
  headers: Message['headers']
  dueAt: number
  options?: DeliveryOptions | undefined
  publisher?: Delivery | undefined
  viaRest?: boolean
}

/** Puts the delivery of a log entry into the outbox, with the configuration of its run. */
export function deliverEntry(world: World, run: Run, entry: LogEntry, input: EntryDelivery): Message {
  const { config } = run
  const { options } = input
  const message = createMessage(world, {
    id: entry.messageId,
    kind: 'step',
    url: entry.url,
    body: entry.body,
    headers: input.headers,
    retries: options?.retries ?? config.retries,
    retryDelay: options?.retryDelay ?? config.retryDelay,
    timeoutMs: options?.timeoutMs ?? config.timeoutMs,
    flowKey: applyFlow(world, options?.flow) ?? config.flowKey,
    labels: config.labels,
    run,
    entry,
    errors: entry.errors,
    viaRest: input.viaRest ?? false,
  })
  run.pending.add(message)
  world.outbox.add(message, input.dueAt, input.publisher)
  return message
}

/** A message to a callback URL; `body` is the report. */
export function callbackMessage(
  world: World,
  callback: CallbackOptions,
  input: Pick<Message, 'kind' | 'body'> & Partial<Message>,
): Message {
  const { delivery } = callback
  return createMessage(world, {
    url: callback.url,
    method: delivery.method,
    headers: { 'content-type': delivery.contentType, ...delivery.forward },
    ...input,
    retries: delivery.retries ?? input.retries ?? DEFAULT_RETRIES,
    retryDelay: delivery.retryDelay ?? input.retryDelay,
    timeoutMs: delivery.timeoutMs,
    flowKey: applyFlow(world, delivery.flow) ?? input.flowKey ?? '',
  })
}

/** Header lists of what a message was sent with. */
export const sourceHeaders = (message: Message) => headerLists(message.headers)
