import { type HeaderMap, headerMap, protocolHeaders, runHeaders } from './headers.ts'
import { newId } from './ids.ts'
import { fieldsOf, parseJson } from './json.ts'
import type { Delivery, Message } from './message.ts'
import { Problem, runIsGone } from './problem.ts'
import { callbackOptions, type DeliveryOptions, deliveryOptions, labelsOf } from './publish-options.ts'
import { noteStep } from './run-notes.ts'
import type { Invoker, Run, RunConfig } from './run.ts'
import { applyFlow, deliverEntry, dueTick, publisherOf } from './send.ts'
import { appendEntry, stepInfo } from './step-log.ts'
import type { World } from './world.ts'

/** What starts a run: its id, its endpoint and payload, and the headers of the publisher. */
export type StartInput = { runId: string; url: string; body: string; headers: HeaderMap; callerIp: string }

/** The run that was started, or that held the id. */
export type Started = { run: Run; messageId: string; deduplicated?: true }

const DEFAULT_FEATURES = 'LazyFetch,InitialBody,WF_DetectTrigger,WF_TriggerOnConfig'
const MAX_INVOKE_DEPTH = 100

function configOf(world: World, input: StartInput, options: DeliveryOptions): RunConfig {
  return {
    retries: options.retries ?? 3,
    retryDelay: options.retryDelay,
    timeoutMs: options.timeoutMs,
    flowKey: applyFlow(world, options.flow) ?? '',
    forward: runHeaders(options.forward),
    labels: labelsOf(input.headers),
    featureSet: input.headers['upstash-feature-set'] ?? DEFAULT_FEATURES,
    failureCallback: callbackOptions(input.headers, world.settings, 'failure-callback'),
    redact: input.headers['upstash-redact-fields'],
  }
}

type FirstDelivery = {
  contentType: string
  protocol: HeaderMap
  dueAt: number
  publisher?: Delivery | undefined
  viaRest?: boolean
}

function deliverPayload(world: World, run: Run, input: StartInput, first: FirstDelivery): Message {
  const entry = appendEntry(run, {
    messageId: run.log.length === 0 ? run.messageId : newId('msg'),
    callType: 'step',
    createdAt: world.clock.now(),
    step: undefined,
    body: input.body,
    headers: { 'content-type': first.contentType, ...first.protocol },
    url: input.url,
    method: 'POST',
  })
  return deliverEntry(world, run, entry, { headers: entry.headers, ...first })
}

/** Starts a run, or finds the one that holds its id. */
export function startRun(
  world: World,
  input: StartInput,
  extra: { invoker?: Invoker; viaRest?: boolean } = {},
): Started {
  const options = deliveryOptions(input.headers, world.settings)
  const holder = world.runs.holder(input.runId)
  if (holder && input.headers['upstash-workflow-trigger-by-sdk'] === 'true') {
    return reopenRun(world, holder, input, options)
  }
  if (holder) return { run: holder, messageId: holder.messageId, deduplicated: true }
  const config = configOf(world, input, options)
  const run = world.runs.start({
    id: input.runId,
    messageId: newId('msg'),
    url: input.url,
    callerIp: input.callerIp,
    config,
    invoker: extra.invoker,
  })
  const publisher = extra.invoker && invokingDelivery(world, extra.invoker)
  const message = deliverPayload(world, run, input, {
    contentType: options.contentType,
    protocol: protocolHeaders(options.forward),
    dueAt: dueTick(world, options),
    publisher,
    viaRest: extra.viaRest ?? false,
  })
  return { run, messageId: message.id }
}

/** A delivery to an unknown SDK made that SDK publish the payload again, for the same run. */
function reopenRun(world: World, run: Run, input: StartInput, options: DeliveryOptions): Started {
  if (run.state !== 'RUN_STARTED') throw runIsGone()
  const publisher = publisherOf(run)
  // The first message must not be tried again: what it would deliver is replaced by this.
  for (const message of run.pending) world.outbox.drop(message)
  run.pending.clear()
  run.log.length = 0
  run.config.forward = { ...runHeaders(options.forward), ...run.config.forward }
  const message = deliverPayload(world, run, input, {
    contentType: options.contentType,
    protocol: protocolHeaders(options.forward),
    dueAt: dueTick(world, options),
    publisher,
  })
  return { run, messageId: message.id }
}

function invokingDelivery(world: World, invoker: Invoker): Delivery | undefined {
  const parent = world.runs.active(invoker.runId)
  return parent && publisherOf(parent, invoker.step.stepId)
}

/** Starts the run of `context.invoke`: the payload is wrapped in what the parent needs to go on. */
export function invokeRun(world: World, input: StartInput): Started {
  const { body, headers, step, workflowRunId, workflowUrl } = fieldsOf(parseJson(input.body))
  if (typeof workflowRunId !== 'string' || typeof workflowUrl !== 'string') {
    throw new Problem(400, 'an invoke must name its workflowRunId and workflowUrl')
  }
  if (Number(input.headers['upstash-forward-upstash-workflow-invoke-count'] ?? 1) > MAX_INVOKE_DEPTH) {
    throw new Problem(412, `invoke depth must be ${MAX_INVOKE_DEPTH} at most`)
  }
  const parent = world.runs.active(workflowRunId)
  if (!parent) throw runIsGone()
  const forward = deliveryOptions(headerMap(headers), world.settings).forward
  const invoker: Invoker = {
    runId: parent.id,
    createdAt: parent.createdAt,
    url: workflowUrl,
    step: stepInfo(step),
    headers: forward,
  }
  const payload = typeof body === 'string' ? body : ''
  const started = startRun(world, { ...input, body: payload }, { invoker })
  noteStep(parent, invoker.step, {
    invokedWorkflowRunId: started.run.id,
    invokedWorkflowUrl: started.run.url,
    invokedWorkflowCreatedAt: started.run.createdAt,
  })
  return started
}
