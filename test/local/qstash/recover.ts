import type { DeadLetter } from './dead-letters.ts'
import { newId } from './ids.ts'
import { Problem } from './problem.ts'
import type { DeliveryOptions } from './publish-options.ts'
import type { LogEntry, Run } from './run.ts'
import { applyFlow, createMessage, deliverEntry } from './send.ts'
import type { World } from './world.ts'

/** What a new run may have different from the failed one. */
export type Overrides = Pick<DeliveryOptions, 'retries' | 'flow'>

/** Where a new run begins: at the step that failed, or with the payload. */
export type Recovery = 'resume' | 'restart'

const copy = (entry: LogEntry): LogEntry => ({ ...entry, errors: [] })

function keptEntries(run: Run, recovery: Recovery): LogEntry[] {
  const [initial, ...rest] = run.log
  if (!initial) throw new Problem(404, `the log of workflow run ${run.id} is gone`)
  if (recovery === 'restart') return [{ ...copy(initial), delivered: false }]
  return [initial, ...rest].map(copy)
}

/** Branches that were waiting for an event or another run when their run failed begin again. */
function isCutOff(entry: LogEntry, log: readonly LogEntry[]): boolean {
  const target = entry.step?.targetStep
  return target !== undefined && !log.some(({ step }) => step?.stepId === target)
}

/** Starts a new run from a dead letter, which leaves the queue. */
export function recover(world: World, letter: DeadLetter, recovery: Recovery, overrides: Overrides): Run {
  const failed = letter.message.run
  if (!failed) throw new Problem(400, `${letter.dlqId} is no workflow run`)
  const entries = keptEntries(failed, recovery)
  const run = world.runs.start({
    id: newId('wfr'),
    messageId: failed.messageId,
    url: failed.url,
    callerIp: failed.callerIp,
    config: {
      ...failed.config,
      retries: overrides.retries ?? failed.config.retries,
      flowKey: applyFlow(world, overrides.flow) ?? failed.config.flowKey,
    },
    invoker: undefined,
  })
  run.log.push(...entries)
  for (const entry of entries) {
    if (entry.delivered && !isCutOff(entry, entries)) continue
    deliverAgain(world, run, entry)
  }
  world.deadLetters.delete(letter.dlqId)
  return run
}

function deliverAgain(world: World, run: Run, entry: LogEntry): void {
  const dueAt = world.clock.ticks()
  if (entry.callType === 'step') {
    deliverEntry(world, run, entry, { headers: entry.headers, dueAt })
    return
  }
  const { retries, retryDelay, flowKey, labels } = run.config
  const isCall = entry.callType === 'toCallback'
  const message = createMessage(world, {
    id: entry.messageId,
    kind: isCall ? 'call' : 'call-result',
    url: entry.url,
    method: entry.method,
    headers: { 'content-type': 'application/json', ...entry.headers },
    body: entry.body,
    labels,
    run,
    entry,
    errors: entry.errors,
    ...(isCall ? { callback: entry.callback } : { retries, retryDelay, flowKey }),
  })
  run.pending.add(message)
  world.outbox.add(message, dueAt)
}

/** Publishes a dead plain message again. */
export function republish(world: World, letter: DeadLetter): string {
  const { message } = letter
  if (message.run) throw new Problem(400, `${letter.dlqId} is a workflow run: resume or restart it`)
  const again = { ...message, id: newId('msg'), state: 'done' as const, retried: 0, errors: [] }
  world.deadLetters.delete(letter.dlqId)
  world.mailbox.add(again, world.clock.now())
  world.outbox.add(again, world.clock.ticks())
  return again.id
}
