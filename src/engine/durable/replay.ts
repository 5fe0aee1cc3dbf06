import type { RecordedStep } from '../ledger/item-steps/recorded.ts'
import { failedBefore, type Answer } from './item-run.ts'

/**
 * What a recorded step has come to; undefined: it is to be done, or done again. While an item is undone, it is what it had
 * come to before it was undone, and before it was to be tried again, so that the handler says what else there is to undo.
 */
export function answerOf(step: RecordedStep | undefined, isUndoing: boolean): Answer | undefined {
  if (step === undefined) return undefined
  const { status, result, error, ended, old, workMs } = step
  const isUndone = status === 'undoing' || status === 'undone'
  if (isUndone && !(isUndoing && ended)) return undefined
  if (error !== null && (isUndone || (status === 'failed' && (isUndoing || !old)))) {
    return failedBefore(error, workMs)
  }
  return status === 'done' || isUndone ? { is: 'done', value: result, workMs } : undefined
}

/** A step that a handler has asked for; events have names of their own in the ledger. */
export type Asked = { name: string; ledgerName: string; kind: RecordedStep['kind'] }

/** What a handler has left out though it has come to something that the ledger does not know. */
export const forgotten = (
  recorded: ReadonlyMap<string, RecordedStep>,
  asked: readonly Asked[],
): string | undefined =>
  asked.every(({ ledgerName }) => recorded.has(ledgerName)) ? undefined : leftOut(recorded, asked)

/**
 * A step that was done and that a handler has not asked for. What stands from before an operator's retry may rightly be
 * left out once anything has been done anew since.
 */
export function leftOut(
  recorded: ReadonlyMap<string, RecordedStep>,
  asking: readonly Asked[],
): string | undefined {
  const asked = new Set(asking.map(({ ledgerName }) => ledgerName))
  const steps = [...recorded.values()]
  const isAnew = steps.some((step) => asked.has(step.name) && !(step.old && stands(step)))
  return steps.find((step) => isWork(step) && stands(step) && !asked.has(step.name) && !(step.old && isAnew))
    ?.name
}

export const isWork = ({ kind }: Pick<RecordedStep, 'kind'>): boolean => kind === 'step' || kind === 'call'
const stands = ({ status }: RecordedStep) => status !== 'failed' && status !== 'undone'

/** What a step has done, or may have done, that is to be undone. */
export const isToUndo = ({ status, uncertain }: RecordedStep): boolean =>
  status === 'done' || status === 'undoing' || (status !== 'undone' && uncertain)
