import { headerLists } from './headers.ts'
import { fieldsOf } from './json.ts'
import type { AttemptError } from './message.ts'
import { type Redactor, redactor } from './redact.ts'
import type { LogEntry, Run, StepInfo } from './run.ts'

/** State of a step, in the words of the logs. */
export type StepState = 'STEP_PROGRESS' | 'STEP_SUCCESS' | 'STEP_RETRY' | 'STEP_FAILED' | 'STEP_CANCELED'

type StepLog = Record<string, unknown> & {
  stepName?: string
  messageId: string
  state: StepState
  errors?: AttemptError[]
}

/** Steps that belong together: one, the branches of a parallel group, or what is under way. */
export type LogGroup = { type: 'sequential' | 'parallel' | 'next'; steps: StepLog[] }

function parseObject(text: string): Record<string, unknown> {
  try {
    return fieldsOf(JSON.parse(text))
  } catch {
    return {}
  }
}

/** The state of a message whose delivery has not succeeded. */
function undeliveredState(run: Run, entry: LogEntry): StepState {
  if (run.state === 'RUN_FAILED' && entry.errors.length > 0) return 'STEP_FAILED'
  if (run.state !== 'RUN_STARTED') return 'STEP_CANCELED'
  return entry.errors.length > 0 ? 'STEP_RETRY' : 'STEP_PROGRESS'
}

const errorsOf = ({ errors }: LogEntry) => errors.length > 0 && { errors }

/** Builds the step groups of a run's log. */
export function stepGroups(run: Run): LogGroup[] {
  const [initial, ...rest] = run.log
  if (!initial) return []
  const builder = new GroupBuilder(run, redactor(run.config.redact))
  builder.initial(initial)
  for (const entry of rest) if (entry.step) builder.add(entry, entry.step)
  builder.waiting()
  builder.next()
  return builder.groups
}

class GroupBuilder {
  readonly groups: LogGroup[] = []
  readonly #run: Run
  readonly #redact: Redactor
  /** The place of each step: sequential steps by their id, branches by their target. */
  readonly #steps = new Map<number, { group: LogGroup; index: number }>()

  constructor(run: Run, redact: Redactor) {
    this.#run = run
    this.#redact = redact
  }

  initial(entry: LogEntry): void {
    const step = { stepId: 0, stepName: 'init', stepType: 'Initial', concurrent: 1 }
    const log = this.#stepLog(entry, step, { state: 'STEP_SUCCESS', out: entry.body })
    this.groups.push({ type: 'sequential', steps: [log] })
  }

  add(entry: LogEntry, step: StepInfo): void {
    const id = step.targetStep ?? step.stepId
    const place = this.#steps.get(id)
    const isPlan = step.targetStep !== undefined && step.stepId === 0
    const log = isPlan ? this.#plan(entry, step) : this.#result(entry, step)
    if (!place) return this.#append(id, isPlan || step.concurrent > 1 ? 'parallel' : 'sequential', step, log)
    // The first result stays: the SDK ignores a repeated one.
    if (place.group.steps[place.index]?.state === 'STEP_SUCCESS') return
    place.group.steps[place.index] = { ...place.group.steps[place.index], ...log }
  }

  /** Steps that wait for an event or for another run have no message yet. */
  waiting(): void {
    for (const [id, { step, fields }] of this.#run.notes ?? []) {
      const place = this.#steps.get(id)
      const log = place?.group.steps[place.index]
      if (place && log) place.group.steps[place.index] = { ...fields, ...log }
      if (place) continue
      const state = this.#run.state === 'RUN_STARTED' ? 'STEP_PROGRESS' : 'STEP_CANCELED'
      this.#append(id, 'sequential', step, { ...step, ...fields, callType: 'step', messageId: '', state })
    }
  }

  /** The message on which the run depends now, when it is no branch. */
  next(): void {
    const run = this.#run
    const entry = run.log.findLast(
      ({ callType, step }) => callType === 'step' && step?.targetStep === undefined,
    )
    if (!entry || entry.delivered || run.state === 'RUN_SUCCESS') return
    if (run.state === 'RUN_FAILED' && entry.errors.length === 0) return
    const stepName = entry.errors.at(-1)?.headers['Upstash-Error-Step-Name']?.[0]
    const log: StepLog = {
      messageId: entry.messageId,
      state: undeliveredState(run, entry),
      ...this.#retries(),
      ...errorsOf(entry),
      ...(stepName !== undefined && { stepName }),
    }
    this.groups.push({ type: 'next', steps: [log] })
  }

  #append(id: number, type: LogGroup['type'], step: StepInfo, log: StepLog): void {
    const last = this.groups.at(-1)
    const joins = type === 'parallel' && last?.type === 'parallel' && last.steps.length < step.concurrent
    const group = joins && last ? last : { type, steps: [] }
    if (group !== last) this.groups.push(group)
    this.#steps.set(id, { group, index: group.steps.push(log) - 1 })
  }

  #plan(entry: LogEntry, step: StepInfo): StepLog {
    const body = parseObject(entry.body)
    const state = entry.delivered ? 'STEP_PROGRESS' : undeliveredState(this.#run, entry)
    const { targetStep = 0 } = step
    return {
      ...this.#stepLog(entry, { ...step, stepId: targetStep }, { state }),
      ...errorsOf(entry),
      ...pick(body, ['sleepFor', 'sleepUntil', 'waitEventId']),
    }
  }

  #result(entry: LogEntry, step: StepInfo): StepLog {
    const body = parseObject(entry.body)
    if (entry.callType === 'toCallback') return this.#callStarted(entry, step)
    if (entry.callType === 'fromCallback') return this.#callAnswered(entry, step, body)
    return {
      ...this.#stepLog(entry, step, { state: 'STEP_SUCCESS', out: body['out'] }),
      ...pick(body, ['sleepFor', 'sleepUntil', 'waitTimeout']),
    }
  }

  #callStarted(entry: LogEntry, step: StepInfo): StepLog {
    return {
      ...this.#stepLog(entry, step, {
        state: entry.delivered ? 'STEP_PROGRESS' : undeliveredState(this.#run, entry),
      }),
      ...errorsOf(entry),
      callUrl: entry.url,
      callMethod: entry.method,
      callHeaders: this.#redact.headers(headerLists(entry.headers)),
      callBody: this.#redact.body(entry.body),
    }
  }

  #callAnswered(entry: LogEntry, step: StepInfo, body: Record<string, unknown>): StepLog {
    const state = entry.delivered ? 'STEP_PROGRESS' : undeliveredState(this.#run, entry)
    const response = typeof body['body'] === 'string' ? Buffer.from(body['body'], 'base64').toString() : ''
    return {
      ...this.#stepLog(entry, step, { state }),
      ...errorsOf(entry),
      callResponseStatus: body['status'],
      callResponseHeaders: body['header'],
      callResponseBody: this.#redact.body(response),
    }
  }

  #stepLog(entry: LogEntry, step: StepInfo, result: { state: StepState; out?: unknown }): StepLog {
    const { stepId, stepName, stepType, concurrent } = step
    return {
      stepId,
      stepName,
      stepType,
      callType: entry.callType,
      messageId: entry.messageId,
      ...(result.out !== undefined && { out: this.#redact.body(result.out) }),
      concurrent,
      createdAt: entry.createdAt,
      ...this.#retries(),
      state: result.state,
      headers: this.#redact.headers(headerLists({ ...this.#run.config.forward, ...entry.headers })),
    }
  }

  #retries() {
    const { retries, retryDelay } = this.#run.config
    return { retries, ...(retryDelay !== undefined && { retryDelay }) }
  }
}

function pick(source: Record<string, unknown>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.flatMap((name) => (name in source ? [[name, source[name]]] : [])))
}
