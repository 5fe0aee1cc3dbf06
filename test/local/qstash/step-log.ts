import type { HeaderMap } from './headers.ts'
import { newId } from './ids.ts'
import { fieldsOf } from './json.ts'
import { Problem } from './problem.ts'
import type { LogEntry, Run, StepInfo } from './run.ts'

type NewEntry = {
  messageId?: string
  callType: LogEntry['callType']
  createdAt: number
  step: StepInfo | undefined
  body: string
  headers: HeaderMap
  url: string
  method: string
  callback?: LogEntry['callback']
}

/** Adds a message to the log of its run. */
export function appendEntry(run: Run, input: NewEntry): LogEntry {
  const entry: LogEntry = {
    ...input,
    messageId: input.messageId ?? newId('msg'),
    bytes: Buffer.byteLength(input.body),
    delivered: false,
    errors: [],
  }
  run.log.push(entry)
  return entry
}

const encode = (entry: LogEntry) => ({
  messageId: entry.messageId,
  body: Buffer.from(entry.body).toString('base64'),
  callType: entry.callType,
})

/** The log up to and including one entry, as the SDK receives it. */
export function logBody(run: Run, last?: LogEntry): string {
  const end = last ? run.log.lastIndexOf(last) + 1 : run.log.length
  return JSON.stringify(run.log.slice(0, end).map(encode))
}

/** About how long `logBody` would be, without building it. */
export function logBodySize(run: Run, last: LogEntry): number {
  let size = 2
  for (const entry of run.log) {
    size += Math.ceil(entry.bytes / 3) * 4 + entry.messageId.length + entry.callType.length + 43
    if (entry === last) break
  }
  return size
}

const isNumber = (value: unknown): value is number => typeof value === 'number'

/** Checks that a value has the fields of a step. */
export function stepInfo(value: unknown): StepInfo & Record<string, unknown> {
  const step = fieldsOf(value)
  const { stepId, stepName, stepType, concurrent, targetStep, sleepUntil } = step
  if (!isNumber(stepId) || typeof stepName !== 'string' || typeof stepType !== 'string') {
    throw new Problem(400, 'a step must have a stepId, a stepName and a stepType')
  }
  return {
    ...step,
    stepId,
    stepName,
    stepType,
    concurrent: isNumber(concurrent) ? concurrent : 1,
    ...(isNumber(targetStep) && { targetStep }),
    ...(isNumber(sleepUntil) && { sleepUntil }),
  }
}

/** The same without what the step returned, which may be large. */
export function stepSummary(step: StepInfo): StepInfo {
  const { stepId, stepName, stepType, concurrent, targetStep, sleepUntil } = step
  return {
    stepId,
    stepName,
    stepType,
    concurrent,
    ...(targetStep !== undefined && { targetStep }),
    ...(sleepUntil !== undefined && { sleepUntil }),
  }
}
