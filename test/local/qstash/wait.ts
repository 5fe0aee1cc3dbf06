import { parseDuration } from './duration.ts'
import type { Waiter } from './events.ts'
import { forwarded, headerLists, type HeaderLists, headerMap, type HeaderMap } from './headers.ts'
import type { Message } from './message.ts'
import { Problem, runIsGone } from './problem.ts'
import { noteStep } from './run-notes.ts'
import type { Run } from './run.ts'
import { sendStep } from './send.ts'
import { stepInfo } from './step-log.ts'
import type { World } from './world.ts'

const DEFAULT_TIMEOUT = '7d'

type WaitInput = { eventId: string; headers: HeaderMap; request: Record<string, unknown> }

function timeoutOf(value: unknown): { text: string; ms: number } {
  const text = typeof value === 'number' ? String(value) : (value ?? DEFAULT_TIMEOUT)
  const ms = typeof text === 'string' ? parseDuration(text) : undefined
  if (typeof text !== 'string' || ms === undefined) {
    throw new Problem(400, 'the timeout of a wait must be a duration')
  }
  return { text, ms }
}

/** Registers a step that waits for an event; a notification that came earlier ends the wait at once. */
export function waitForEvent(world: World, input: WaitInput): { messageId?: string } {
  const run = world.runs.active(input.headers['upstash-workflow-runid'] ?? '')
  if (!run) throw runIsGone()
  const { url, timeout, step, timeoutHeaders } = input.request
  if (typeof url !== 'string') throw new Problem(400, 'a wait must have a url')
  const timeoutAfter = timeoutOf(timeout)
  const waiter: Waiter = {
    eventId: input.eventId,
    run,
    url,
    step: stepInfo(step),
    headers: { 'content-type': 'application/json', ...forwarded(input.headers) },
    timeoutHeaders: headerListsOf(timeoutHeaders),
    deadline: world.clock.now() + timeoutAfter.ms,
    timer: undefined,
  }
  noteStep(run, waiter.step, {
    waitEventId: input.eventId,
    waitTimeoutDuration: timeoutAfter.text,
    waitTimeoutDeadline: waiter.deadline,
  })
  const kept = world.events.take(run.id, input.eventId)
  if (kept !== undefined) return { messageId: resolveWait(world, waiter, kept).id }
  waiter.timer = world.timers.schedule(world.clock.after(timeoutAfter.ms), () => expire(world, waiter))
  world.events.add(waiter)
  return {}
}

const headerListsOf = (value: unknown): HeaderLists => headerLists(headerMap(value))

function resolveWait(world: World, waiter: Waiter, body: string): Message {
  return goOn(world, waiter, waiter.headers, {
    out: Buffer.from(body).toString('base64'),
    waitTimeout: false,
  })
}

function expire(world: World, waiter: Waiter): void {
  if (!world.events.remove(waiter)) return
  const forward = forwarded(headerMap(waiter.timeoutHeaders))
  goOn(world, waiter, { 'content-type': 'application/json', ...forward }, { waitTimeout: true })
  world.outbox.settled()
}

function goOn(world: World, waiter: Waiter, headers: HeaderMap, result: object): Message {
  const { run, step, url } = waiter
  return sendStep(world, run, { url, step, body: JSON.stringify({ ...step, ...result }), headers })
}

const notified = (run: Run, messageId: string, waiter?: Waiter) => ({
  ...(waiter && { waiter: showWaiter(waiter) }),
  messageId,
  error: '',
  deduplicated: false,
  workflowRunId: run.id,
  workflowCreatedAt: run.createdAt,
})

/** As `GET /v2/waiters/<eventId>` shows it. */
export function showWaiter(waiter: Waiter) {
  return {
    url: waiter.url,
    deadline: Math.floor(waiter.deadline / 1000),
    headers: headerLists(waiter.headers),
    timeoutUrl: waiter.url,
    timeoutHeaders: waiter.timeoutHeaders,
  }
}

function endWait(world: World, waiter: Waiter, body: string) {
  if (waiter.timer) world.timers.cancel(waiter.timer)
  world.events.remove(waiter)
  return notified(waiter.run, resolveWait(world, waiter, body).id, waiter)
}

/** Ends every wait for the event. */
export function notify(world: World, eventId: string, body: string) {
  const waiters = world.events.waiters(eventId)
  const results = waiters.map((waiter) => endWait(world, waiter, body))
  // The real server encodes an empty list as null.
  return results.length > 0 ? results : null
}

/** Ends the wait of one run, or keeps the notification until that run waits. */
export function notifyRun(world: World, runId: string, eventId: string, body: string) {
  const run = world.runs.get(runId)
  if (run && run.state !== 'RUN_STARTED') return null
  const waiter = world.events.waiters(eventId).find((candidate) => candidate.run === run)
  if (waiter) return [endWait(world, waiter, body)]
  world.events.store(runId, eventId, body)
  return run ? [notified(run, '')] : null
}
