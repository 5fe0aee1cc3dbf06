import type { HeaderMap } from './headers.ts'
import type { Message, Outcome } from './message.ts'
import { callbackOptions, deliveryOptions } from './publish-options.ts'
import { Problem, runIsGone } from './problem.ts'
import { report } from './report.ts'
import type { Run, StepInfo } from './run.ts'
import { applyFlow, callbackMessage, createMessage, dueTick, publisherOf } from './send.ts'
import { appendEntry } from './step-log.ts'
import type { World } from './world.ts'

type Call = { runId: string; url: string; body: string; headers: HeaderMap }

/** The step that a call belongs to, as its callback headers tell. */
function callStep(forward: HeaderMap): StepInfo | undefined {
  const stepId = Number(forward['upstash-workflow-stepid'])
  const stepName = forward['upstash-workflow-stepname']
  if (!Number.isInteger(stepId) || stepName === undefined) return undefined
  return {
    stepId,
    stepName,
    stepType: forward['upstash-workflow-steptype'] ?? 'Call',
    concurrent: Number(forward['upstash-workflow-concurrent'] ?? 1),
  }
}

/** Makes the external request of `context.call`. */
export function startCall(world: World, input: Call): Message {
  const run = world.runs.active(input.runId)
  if (!run) throw runIsGone()
  const callback = callbackOptions(input.headers, world.settings, 'callback')
  if (!callback) throw new Problem(400, 'a call must have a callback')
  const options = deliveryOptions(input.headers, world.settings)
  const step = callStep(callback.delivery.forward)
  const entry = appendEntry(run, {
    callType: 'toCallback',
    createdAt: world.clock.now(),
    step,
    body: input.body,
    headers: options.forward,
    url: input.url,
    method: options.method,
    callback,
  })
  const message = createMessage(world, {
    id: entry.messageId,
    kind: 'call',
    url: input.url,
    method: options.method,
    headers: { 'content-type': options.contentType, ...options.forward },
    body: input.body,
    retries: options.retries ?? 3,
    retryDelay: options.retryDelay,
    timeoutMs: options.timeoutMs,
    flowKey: applyFlow(world, options.flow) ?? '',
    labels: run.config.labels,
    run,
    entry,
    errors: entry.errors,
    callback,
  })
  run.pending.add(message)
  world.outbox.add(message, dueTick(world, options), publisherOf(run, step?.stepId))
  return message
}

/** Hands the outcome of a call to the workflow endpoint, which publishes it as the result of the step. */
export function sendCallResult(world: World, run: Run, call: Message, outcome: Outcome): void {
  const { callback } = call
  if (!callback) return
  const body = JSON.stringify(report(call, outcome, run.callerIp))
  const { config } = run
  const message = callbackMessage(world, callback, {
    kind: 'call-result',
    body,
    run,
    retries: config.retries,
    retryDelay: config.retryDelay,
    flowKey: config.flowKey,
    labels: config.labels,
  })
  const entry = appendEntry(run, {
    messageId: message.id,
    callType: 'fromCallback',
    createdAt: world.clock.now(),
    step: call.entry?.step,
    body,
    headers: callback.delivery.forward,
    url: callback.url,
    method: 'POST',
  })
  const result: Message = { ...message, entry, errors: entry.errors }
  run.pending.add(result)
  world.outbox.add(result, world.clock.ticks())
}
