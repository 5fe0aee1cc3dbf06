import type { RecordedStep } from '../ledger/item-steps/recorded.ts'
import { failedBefore, type Answer, type ItemRun, type Undo } from './item-run.ts'

/**
 * What a recorded step has come to; undefined: it is to be done, or done again. What failed and was undone by itself has
 * failed. While an item is undone, it is what it had come to before it was undone, and before it was to be tried again, so
 * that the handler says what else there is to undo.
 */
function answerOf(
  { status, result, error, ended, old, workMs }: RecordedStep,
  isUndoing: boolean,
): Answer | undefined {
  const isUndone = status === 'undoing' || status === 'undone'
  if (isUndone && !isUndoing) return error === null || old ? undefined : failedBefore(error, workMs)
  if (isUndone && !ended) return undefined
  if (error !== null && (isUndone || (status === 'failed' && (isUndoing || !old)))) {
    return failedBefore(error, workMs)
  }
  return status === 'done' || isUndone ? { is: 'done', value: result, workMs } : undefined
}

/** Nothing is left of it, so that a retry may do anything under its name. */
const isGone = ({ old, status, uncertain }: RecordedStep): boolean =>
  old && (status === 'undone' || (status === 'failed' && !uncertain))

/** A step that a handler has asked for; events have names of their own in the ledger. */
export type Asked = {
  name: string
  ledgerName: string
  kind: RecordedStep['kind']
  /** How many steps the handler had heard of then: the same for those that it asks for together. */
  turn: number
}

/**
 * What the ledger knows of what a handler asks for. `misfit`: why that is not the same; `isOwed`: it has failed, and the
 * handler goes on without it once it is undone, since it may have been done.
 */
export function recall(
  { recorded, undoing }: Pick<ItemRun, 'recorded' | 'undoing'>,
  { name, ledgerName, kind }: Asked,
  undos: ReadonlyMap<string, Undo>,
): { misfit: string } | { known: Answer | undefined; isOwed: boolean } {
  const found = recorded.get(ledgerName)
  if (found === undefined) return { known: undefined, isOwed: false }
  if (found.kind !== kind) {
    if (isGone(found)) return { known: undefined, isOwed: false }
    return { misfit: `${name} was a ${found.kind} before: a changed handler needs a new version` }
  }
  const known = answerOf(found, undoing !== null)
  const isOwed = undoing === null && known?.is === 'failed' && isToUndo(found)
  if (isOwed && found.undoable && !undos.has(name)) {
    return { misfit: `the handler does not say any more how to undo ${name}` }
  }
  return { known, isOwed }
}

/** What a handler has left out though it has come to something `unknown`, that the ledger does not know. */
export function forgotten(
  recorded: ReadonlyMap<string, RecordedStep>,
  asked: readonly Asked[],
): { lost: string; unknown: string } | undefined {
  const unknown = asked.find(({ ledgerName }) => !recorded.has(ledgerName))?.name
  const lost = unknown === undefined ? undefined : leftOut(recorded, asked)
  return unknown === undefined || lost === undefined ? undefined : { lost, unknown }
}

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
/** The same for the ledger: `hasStepsThatStand`. */
const stands = ({ status, uncertain, acted, undoable }: RecordedStep) =>
  status === 'failed' ? uncertain && (acted || undoable) : status !== 'undone'

/** What a step has done, or may have done, that is to be undone. */
export const isToUndo = ({ status, uncertain }: RecordedStep): boolean =>
  status === 'done' || status === 'undoing' || (status !== 'undone' && uncertain)

/** A step that is to be undone, as the handler had said, and of which it has not said how. */
export const unnamed = (
  recorded: ReadonlyMap<string, RecordedStep>,
  undos: ReadonlyMap<string, Undo>,
): RecordedStep | undefined =>
  [...recorded.values()].find((step) => step.undoable && isToUndo(step) && !undos.has(step.name))

/** What is to be undone though it was no step; of the waits, only calls do anything. */
export const stray = (
  undos: ReadonlyMap<string, Undo>,
  asked: ReadonlyMap<string, Asked>,
): string | undefined =>
  [...undos.keys()].find((name) => {
    const step = asked.get(name)
    return step === undefined || !isWork(step)
  })
