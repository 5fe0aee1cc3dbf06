import { startCall } from './call.ts'
import type { HeaderMap } from './headers.ts'
import { publishPlain } from './plain.ts'
import { Problem, runIsGone } from './problem.ts'
import { deliveryOptions, labelsOf } from './publish-options.ts'
import type { Run } from './run.ts'
import { sendStep } from './send.ts'
import { invokeRun, startRun } from './start-run.ts'
import { stepInfo } from './step-log.ts'
import { newId } from './ids.ts'
import { parseJson } from './json.ts'
import type { World } from './world.ts'

/** A message as a publisher hands it over. */
export type Published = { url: string; body: string; headers: HeaderMap; callerIp: string }

/** What the publisher is told. */
export type PublishResult = {
  messageId: string
  url: string
  deduplicated?: true
  workflowRunId?: string
  workflowCreatedAt?: number
}

const ofRun = (run: Run) => ({ workflowRunId: run.id, workflowCreatedAt: run.createdAt })

function checkDestination(url: string): void {
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    throw new Problem(400, `the destination must be an http(s) URL, received "${url}"`)
  }
}

function checkSize(world: World, input: Published): void {
  const bytes = Buffer.byteLength(input.body)
  const { maxMessageBytes } = world.settings
  if (bytes > maxMessageBytes) {
    throw new Problem(412, `the message is over quota: ${maxMessageBytes} bytes at most, received ${bytes}`)
  }
  world.stats.published(input.url, bytes)
}

function publishStep(world: World, input: Published, runId: string): PublishResult {
  const run = world.runs.active(runId)
  if (!run) throw runIsGone()
  const step = stepInfo(parseJson(input.body))
  const options = deliveryOptions(input.headers, world.settings)
  const headers = { 'content-type': options.contentType, ...options.forward }
  const message = sendStep(world, run, { url: input.url, body: input.body, step, headers, options })
  return { messageId: message.id, url: input.url, ...ofRun(run) }
}

function publishStart(world: World, input: Published, runId: string): PublishResult {
  const start = input.headers['upstash-workflow-invoke'] === 'true' ? invokeRun : startRun
  const { run, messageId, deduplicated } = start(world, { ...input, runId })
  return { messageId, url: input.url, ...(deduplicated && { deduplicated }), ...ofRun(run) }
}

/** Takes a message; its headers tell what it is. */
export function publish(world: World, input: Published): PublishResult {
  checkDestination(input.url)
  checkSize(world, input)
  const { headers } = input
  const runId = headers['upstash-workflow-runid']
  if (runId === undefined) return { ...publishPlain(world, input), url: input.url }
  if (headers['upstash-workflow-init'] === 'true') return publishStart(world, input, runId)
  if (headers['upstash-workflow-calltype'] === 'toCallback') {
    return { messageId: startCall(world, { ...input, runId }).id, url: input.url }
  }
  return publishStep(world, input, runId)
}

/** Starts a run for a caller without SDK. */
export function trigger(world: World, input: Published): PublishResult {
  checkDestination(input.url)
  checkSize(world, input)
  const headers = restHeaders(input)
  const runId = input.headers['upstash-workflow-runid'] ?? newId('wfr')
  const started = startRun(world, { ...input, headers, runId }, { viaRest: true })
  return {
    messageId: started.messageId,
    url: input.url,
    ...(started.deduplicated && { deduplicated: true }),
    ...ofRun(started.run),
  }
}

/** What the SDK would have sent along: the protocol version, and the marks of a failure callback. */
function restHeaders(input: Published): HeaderMap {
  const { headers } = input
  const unknownSdk = headers['upstash-workflow-unknown-sdk'] === 'true'
  const labels = labelsOf(headers)
  const failure: HeaderMap = headers['upstash-failure-callback']
    ? {
        'upstash-failure-callback-forward-upstash-workflow-is-failure': 'true',
        'upstash-failure-callback-forward-upstash-workflow-failure-callback': 'true',
      }
    : {}
  return {
    ...failure,
    ...(labels.length > 0 && { 'upstash-forward-upstash-label': labels.join(',') }),
    ...headers,
    ...(unknownSdk
      ? { 'upstash-forward-upstash-workflow-unknown-sdk': 'true' }
      : { 'upstash-forward-upstash-workflow-sdk-version': '1' }),
  }
}
