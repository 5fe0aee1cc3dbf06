import type { RecordedStep } from '../ledger/item-steps/recorded.ts'
import { failedBefore, type Answer } from './item-run.ts'

/**
 * What a recorded step has come to; undefined: it is to be done, or done again. While an item is undone, it is what it had
 * come to before it was undone, and before it was to be tried again, so that the handler says what else there is to undo.
 */
export function answerOf(step: RecordedStep | undefined, isUndoing: boolean): Answer | undefined {
  if (step === undefined) return undefined
  const { status, result, error, ended, again, workMs } = step
  const isUndone = status === 'undoing' || status === 'undone'
  if (isUndone && !(isUndoing && ended)) return undefined
  if (error !== null && (isUndone || (status === 'failed' && (isUndoing || !again)))) {
    return failedBefore(error, workMs)
  }
  return status === 'done' || isUndone ? { is: 'done', value: result, workMs } : undefined
}

/**
 * The step that was done, or may have been, and that a handler has not asked for though it has come to something which the
 * ledger does not know. Undefined: there is none, or something comes first that is done again, and may come to something
 * else, so that the handler goes another way.
 */
export function forgotten(
  recorded: ReadonlyMap<string, RecordedStep>,
  asking: readonly { ledgerName: string }[],
): string | undefined {
  const asked = new Set(asking.map(({ ledgerName }) => ledgerName))
  const steps = [...recorded.values()]
  const isNew = [...asked].some((name) => !recorded.has(name))
  if (!isNew || steps.some((step) => asked.has(step.name) && answerOf(step, false) === undefined))
    return undefined
  return steps.find(
    ({ name, kind, status, uncertain }) =>
      (kind === 'step' || kind === 'call') && (status === 'done' || uncertain) && !asked.has(name),
  )?.name
}
