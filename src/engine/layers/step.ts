import { WorkflowAbort, WorkflowNonRetryableError, type WorkflowContext } from '@upstash/workflow'
import type { z } from 'zod'
import { refusalOf } from '../../db/json.ts'
import { describeError, PermanentError, presentable } from '../../errors.ts'
import type { Json, Workflow } from '../../workflows/contract.ts'

/** Runs a step of a layer; a permanent error ends the run without another delivery. */
export const step = <T extends Record<string, Json>>(
  context: WorkflowContext,
  workflow: Workflow,
  name: string,
  work: () => Promise<T>,
): Promise<T> => context.run(`${workflow.name}:${name}`, () => described(work))

/** Lets only an error's description out: what the SDK is thrown, it passes on to QStash and logs. */
export async function described<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof WorkflowAbort) throw error
    const { name, message } = describeError(error)
    if (error instanceof PermanentError) throw new WorkflowNonRetryableError(message)
    throw Object.assign(new Error(message), { name })
  }
}

/**
 * Parses a run's payload.
 *
 * @param onRefused is told what is wrong.
 * @throws WorkflowNonRetryableError that says the same: the run goes straight to the dead letter queue.
 */
export function parsePayload<Schema extends z.ZodType>(
  schema: Schema,
  payload: unknown,
  onRefused: (reason: string) => void,
): z.output<Schema> {
  const refuse = (told: string) => {
    const reason = presentable(told)
    onRefused(reason)
    return new WorkflowNonRetryableError(reason)
  }
  const refusal = refusalOf(payload, 'the payload')
  if (refusal !== undefined) throw refuse(refusal)
  const parsed = schema.safeParse(payload === undefined || payload === '' ? {} : payload)
  if (parsed.success) return parsed.data
  const issues = parsed.error.issues.flatMap((issue) =>
    issue.code === 'invalid_union' ? issue.errors.flat() : [issue],
  )
  const told = issues.map(({ path, message }) => `${path.join('.') || 'payload'}: ${message}`)
  throw refuse(`the payload does not fit: ${told.join('; ')}`)
}
