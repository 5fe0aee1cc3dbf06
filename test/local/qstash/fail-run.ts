import { dropPending, endRun } from './end-run.ts'
import { newId } from './ids.ts'
import type { Message, Outcome } from './message.ts'
import { report, responseHeaders } from './report.ts'
import type { Run } from './run.ts'
import { callbackMessage } from './send.ts'
import type { World } from './world.ts'

/** Fails a run because of one message: dead letter, failure callback, invoker. */
export function failRun(world: World, run: Run, message: Message, outcome: Outcome): void {
  const dlqId = newId('dlq')
  run.dlqId = dlqId
  world.deadLetters.add({ dlqId, message, outcome, createdAt: world.clock.now() })
  endRun(world, run, { state: 'RUN_FAILED' })
  sendFailureCallback(world, run, message, outcome)
}

/** Sends the failure callback, again when the last one has failed. */
export function sendFailureCallback(world: World, run: Run, failed: Message, outcome: Outcome): void {
  const { config } = run
  if (!config.failureCallback) return
  const body = JSON.stringify({
    ...report(failed, outcome, run.callerIp),
    url: run.url,
    sourceBody: Buffer.from(run.log[0]?.body ?? '').toString('base64'),
    workflowRunId: run.id,
    workflowCreatedAt: run.createdAt,
    dlqId: run.dlqId,
  })
  const message = callbackMessage(world, config.failureCallback, {
    kind: 'failure',
    body,
    run,
    retries: config.retries,
    retryDelay: config.retryDelay,
    flowKey: config.flowKey,
    labels: config.labels,
  })
  run.failure = {
    message,
    state: 'CALLBACK_INPROGRESS',
    status: outcome.status,
    headers: responseHeaders(outcome),
    body: outcome.body.toString(),
  }
  run.pending.add(message)
  world.outbox.add(message, world.clock.ticks())
}

/** Stops the failure callback of a failed run. */
export function cancelFailureCallback(world: World, run: Run): void {
  if (run.failure?.state !== 'CALLBACK_INPROGRESS') return
  run.failure.state = 'CALLBACK_CANCELED'
  dropPending(world, run)
}
