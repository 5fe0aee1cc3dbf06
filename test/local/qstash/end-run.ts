import { protocolHeaders } from './headers.ts'
import type { Delivery } from './message.ts'
import type { Run } from './run.ts'
import { deliverEntry, publisherOf } from './send.ts'
import { appendEntry, stepSummary } from './step-log.ts'
import type { World } from './world.ts'

type End = { state: Exclude<Run['state'], 'RUN_STARTED'>; response?: string }

/** Ends a run: nothing of it is delivered any more, and the step that invoked it gets the result. */
export function endRun(world: World, run: Run, end: End): void {
  const lastDelivery = publisherOf(run)
  run.response = end.response
  dropPending(world, run)
  world.runs.end(run, end.state)
  resumeInvoker(world, run, lastDelivery)
}

/** Drops what a run still has to deliver or waits for. */
export function dropPending(world: World, run: Run): void {
  for (const message of run.pending) world.outbox.drop(message)
  run.pending.clear()
  for (const waiter of world.events.waitersOf(run)) {
    if (waiter.timer) world.timers.cancel(waiter.timer)
    world.events.remove(waiter)
  }
  world.events.forgetStored(run.id)
  world.outbox.settled()
}

/** Forgets a run and its messages without a trace. */
export function dropRun(world: World, run: Run): void {
  dropPending(world, run)
  world.runs.forget(run)
}

function resumeInvoker(world: World, run: Run, publisher: Delivery | undefined): void {
  const { invoker } = run
  const parent = invoker && world.runs.get(invoker.runId)
  if (!invoker || !parent || parent.createdAt !== invoker.createdAt) return
  const result = {
    ...(run.state === 'RUN_SUCCESS' && run.response !== undefined && { body: run.response }),
    isFailed: run.state === 'RUN_FAILED',
    isCanceled: run.state === 'RUN_CANCELED',
  }
  const entry = appendEntry(parent, {
    callType: 'step',
    createdAt: world.clock.now(),
    step: stepSummary(invoker.step),
    body: JSON.stringify({ ...invoker.step, out: JSON.stringify(result) }),
    headers: protocolHeaders(invoker.headers),
    url: invoker.url,
    method: 'POST',
  })
  if (parent.state !== 'RUN_STARTED') return
  deliverEntry(world, parent, entry, { headers: entry.headers, dueAt: world.clock.ticks(), publisher })
}
