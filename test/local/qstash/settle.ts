import { sendCallResult } from './call.ts'
import { failRun } from './fail-run.ts'
import { newId } from './ids.ts'
import type { Delivery, Message, Outcome } from './message.ts'
import { sendReports } from './plain.ts'
import { responseHeaders } from './report.ts'
import { retryDelay } from './retry-delay.ts'
import type { World } from './world.ts'

type Verdict = { kind: 'delivered' } | { kind: 'failed'; retry: boolean; error: string }

const NOT_A_WORKFLOW =
  'detected a non-workflow destination for trigger/invoke. make sure you are sending the request to the correct endpoint'
const OLD_SDK = 'trigger rest api is only usable with sdk versions after v1.0.0 major version'

/** What the answer of a destination means for the message. */
function judge(message: Message, outcome: Outcome): Verdict {
  if (outcome.error !== undefined) return { kind: 'failed', retry: true, error: outcome.error }
  const header = (name: string) => outcome.headers[name]?.[0]
  if (outcome.status === 489 && header('upstash-nonretryable-error') === 'true') {
    return { kind: 'failed', retry: false, error: 'non-retryable error' }
  }
  if (outcome.status < 200 || outcome.status >= 300) {
    return { kind: 'failed', retry: true, error: `status ${outcome.status}` }
  }
  if (message.kind !== 'step') return { kind: 'delivered' }
  const detects = message.viaRest || message.run?.config.featureSet.includes('WF_DetectTrigger')
  if (detects && header('upstash-workflow-sdk-version') === undefined) {
    return { kind: 'failed', retry: false, error: NOT_A_WORKFLOW }
  }
  if (message.viaRest && !header('upstash-workflow-sdk')?.startsWith('v1')) {
    return { kind: 'failed', retry: false, error: OLD_SDK }
  }
  return { kind: 'delivered' }
}

/** Ends an attempt: the message is delivered, tried again later, or given up. */
export function settle(world: World, delivery: Delivery, outcome: Outcome): void {
  if (delivery.ignored) return
  const { message } = delivery
  world.outbox.finish(delivery)
  if (message.state !== 'dropped') {
    const verdict = judge(message, outcome)
    if (verdict.kind === 'delivered') delivered(world, message, outcome)
    else failedAttempt(world, message, outcome, verdict)
  }
  world.outbox.settled()
}

function failedAttempt(
  world: World,
  message: Message,
  outcome: Outcome,
  verdict: Extract<Verdict, { kind: 'failed' }>,
): void {
  message.errors.push({
    error: verdict.error,
    body: outcome.body.toString(),
    headers: responseHeaders(outcome),
    status: outcome.status,
    time: world.clock.now(),
  })
  if (!verdict.retry || message.retried >= message.retries) return givenUp(world, message, outcome)
  const { retried, retryDelay: expression } = message
  const wait = retryDelay({ headers: outcome.headers, expression, retried, now: world.clock.now() })
  message.retried++
  if (message.kind === 'plain') world.mailbox.note(message, 'RETRY', world.clock.now(), verdict.error)
  world.outbox.add(message, world.clock.after(wait))
}

function delivered(world: World, message: Message, outcome: Outcome): void {
  const { run } = message
  run?.pending.delete(message)
  if (message.entry) message.entry.delivered = true
  if (message.kind === 'call' && run) sendCallResult(world, run, message, outcome)
  if (message.kind === 'plain') {
    world.mailbox.note(message, 'DELIVERED', world.clock.now())
    sendReports(world, message, outcome)
  }
  if (message.kind !== 'failure' || !run?.failure) return
  if (outcome.headers['upstash-workflow-failure-callback-notfound']?.[0] === 'true') run.failure = undefined
  else reportFailureCallback(message, outcome, 'CALLBACK_SUCCESS')
}

function givenUp(world: World, message: Message, outcome: Outcome): void {
  const { run } = message
  run?.pending.delete(message)
  switch (message.kind) {
    case 'step':
    case 'call-result':
      if (run) failRun(world, run, message, outcome)
      break
    case 'call':
      if (message.entry) message.entry.delivered = true
      if (run) sendCallResult(world, run, message, outcome)
      break
    case 'failure':
      reportFailureCallback(message, outcome, 'CALLBACK_FAIL')
      break
    case 'plain':
    case 'callback': {
      const dlqId = newId('dlq')
      world.deadLetters.add({ dlqId, message, outcome, createdAt: world.clock.now() })
      if (message.kind === 'plain') {
        const error = message.errors.at(-1)?.error
        world.mailbox.note(message, 'FAILED', world.clock.now(), error)
      }
      sendReports(world, message, outcome, dlqId)
      break
    }
  }
}

function reportFailureCallback(
  message: Message,
  outcome: Outcome,
  state: 'CALLBACK_SUCCESS' | 'CALLBACK_FAIL',
): void {
  const failure = message.run?.failure
  if (!failure) return
  failure.state = state
  failure.response = {
    status: outcome.status,
    headers: responseHeaders(outcome),
    body: outcome.body.toString(),
  }
}
