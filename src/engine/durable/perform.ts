import { WorkflowRetryAfterError } from '@upstash/workflow'
import { PermanentError, RetryLaterError } from '../../errors.ts'
import type { Json, StepOptions, StepServices, StepWork } from '../../workflows/contract.ts'
import { secondsOf } from '../../workflows/duration.ts'
import { stepServices } from '../configured.ts'
import { checkStorable, ResultError, until } from '../do-work.ts'
import { itemError, type ItemError } from '../item-error.ts'
import { beginStep, beginUndo, type Beginning, type Begun } from '../ledger/item-steps/begin-step.ts'
import { finishStep, type StepEnd } from '../ledger/item-steps/finish-step.ts'
import { noted } from '../noted.ts'
import { atClosedGate } from './closed-gate.ts'
import { failedBefore, type Answer, type ItemRun } from './item-run.ts'
import { leftBefore } from './left-before.ts'
import { Misuse } from './mistakes.ts'
import { newRun } from './new-run.ts'
import { putOff } from './put-off.ts'
import { stepKey } from './step-key.ts'

/** How a kind of step is begun, and what its tries end as. */
type Kind = {
  begin: typeof beginStep
  /** What its idempotency key ends with. */
  suffix: string
  done: (result: Json) => StepEnd
  again: (error: ItemError, tried: { counts: boolean; uncertain: boolean }) => StepEnd
  failed: (error: ItemError, uncertain: boolean) => StepEnd
}

const doing: Kind = {
  begin: beginStep,
  suffix: '',
  done: (result) => ({ status: 'done', result }),
  again: (error, tried) => ({ status: 'again', error, ...tried }),
  failed: (error, uncertain) => ({ status: 'failed', error, uncertain }),
}

const undoing = (alone: boolean): Kind => ({
  begin: beginUndo,
  suffix: '-undo',
  done: () => ({ status: 'undone', alone }),
  again: (error, { counts }) => ({ status: 'undo_again', error, counts }),
  failed: (error) => ({ status: 'not_undone', error }),
})

type StepToDo = Pick<Beginning, 'name' | 'undoable' | 'turn'>

/** Does a step, unless the ledger says that it was done. */
export const performStep = (
  run: ItemRun,
  step: StepToDo,
  work: StepWork<Json | void>,
  options: StepOptions = {},
): Promise<Answer> => perform(run, step, doing, work, options)

/** Undoes a step, unless the ledger says that there is nothing to undo. @param options.alone the handler goes on without it. */
export const performUndo = (
  run: ItemRun,
  name: string,
  undo: (services: StepServices & { stepKey: string }, result: Json) => Promise<void>,
  { alone, ...options }: StepOptions & { alone: boolean },
): Promise<Answer> => perform(run, { name, undoable: true, turn: 0 }, undoing(alone), undo, options)

/** Begins, works and notes what came of it. */
async function perform(
  run: ItemRun,
  { name, undoable, turn }: StepToDo,
  kind: Kind,
  work: (services: StepServices & { stepKey: string }, result: Json) => Promise<Json | void>,
  options: StepOptions,
): Promise<Answer> {
  const { services, workflow, item } = run
  const timeout = options.timeout ?? workflow.timeout
  const seconds = secondsOf(timeout)
  // Before the step begins, so that the work is aborted no later than its lease ends.
  const signal = AbortSignal.timeout(seconds * 1000)
  const at = { ...item, name, undoable, turn }
  const lease = { token: crypto.randomUUID(), seconds }
  const begun = await kind.begin(services.db, at, lease)
  if (begun.outcome !== 'begun') return await notBegun(run, begun, name)

  const started = Date.now()
  let acted = options.acts ?? false
  const ai = services.createAi(signal)
  const finish = async (end: StepEnd) => {
    const { model: _, ...usage } = ai.used()
    const spent = { ...usage, acted, workMs: Date.now() - started }
    const ours = { ...at, token: lease.token }
    const { written } = await noted(signal, () => finishStep(services.db, ours, end, spent))
    if (!written)
      throw new ClaimLost(`step ${name} of item ${item.itemId} was taken over before it was noted`)
  }
  try {
    const keyOfStep = await stepKey(run, name, begun.round)
    const key = keyOfStep + kind.suffix
    const used = stepServices(services, { key, signal }, () => {
      acted = true
    })
    const target = { workflow: workflow.name, id: item.itemId }
    const given = { db: services.db, ai, ...used, item: target, key, stepKey: keyOfStep, signal }
    const value = (await until(signal, timeout, () => work(given, begun.result))) ?? null
    checkStorable(value)
    await finish(kind.done(value))
    return { is: 'done', value, workMs: Date.now() - started }
  } catch (error) {
    if (error instanceof ClaimLost) throw error
    return await tried(run, { name, kind, tries: begun.tries, options, finish }, error, started)
  }
}

/** Another delivery knows what became of the step. */
class ClaimLost extends Error {
  override name = 'ClaimLost'
}

async function notBegun(
  run: ItemRun,
  begun: Exclude<Begun, { outcome: 'begun' }>,
  name: string,
): Promise<Answer> {
  switch (begun.outcome) {
    case 'done':
      return { is: 'done', value: begun.result, workMs: begun.workMs }
    case 'failed':
      return failedBefore(begun.error)
    case 'busy':
      throw new WorkflowRetryAfterError(
        `another delivery is at step ${name} of item ${run.item.itemId}`,
        begun.retryAfterSeconds,
      )
    case 'closed':
      return await atClosedGate(run, begun.batchStatus)
    case 'spent':
      return await newRun(run, 'put_off')
    case 'superseded':
      return await leftBefore(run)
  }
}

type Tried = {
  name: string
  kind: Kind
  tries: number
  options: StepOptions
  finish: (end: StepEnd) => Promise<void>
}

/** Decides over a try that did not succeed: it was the last one, or there is another. */
async function tried(
  run: ItemRun,
  { name, kind, tries, options, finish }: Tried,
  error: unknown,
  started: number,
): Promise<Answer> {
  const { retries } = run.workflow.layers.execute
  const described = await itemError(error, name, run.item.itemId)
  if (error instanceof RetryLaterError) {
    await finish(kind.again(described, { counts: false, uncertain: error.underWay }))
    return await putOff(run, error, described)
  }
  const isFinal = error instanceof PermanentError
  if (
    isFinal ||
    error instanceof ResultError ||
    tries > (options.retries ?? retries) ||
    run.context.retried >= retries
  ) {
    // What the step did before it misused the tools, nobody knows.
    const isCertain = isFinal && !(error instanceof Misuse)
    await finish(kind.failed(described, !isCertain))
    return { is: 'failed', error: described, workMs: Date.now() - started }
  }
  await finish(kind.again(described, { counts: true, uncertain: true }))
  if (options.backoff === undefined) throw error
  const seconds = Math.min(maxBackoffSeconds, secondsOf(options.backoff) * 2 ** (tries - 1))
  throw new WorkflowRetryAfterError(described.message, Math.max(1, Math.ceil(seconds)))
}

/** QStash waits no longer than a day. */
const maxBackoffSeconds = 86_400
