import type { Json } from '../../workflows/contract.ts'
import type { ItemError } from '../item-error.ts'
import { noteUndoing } from '../ledger/item-steps/note-undoing.ts'
import { sdkStep, shownError, superseded, type Answer, type ItemRun, type Over } from './item-run.ts'
import { performUndo } from './perform.ts'
import type { Pass, Undo } from './pass.ts'

/** Steps to undo, last registered first, each with its result; null: it is not known whether it did anything. */
export function toUndo(run: ItemRun, { undos, results }: Pass): (Undo & { result: Json })[] {
  const { recorded } = run
  const acted = (step: string): { result: Json } | undefined => {
    const before = recorded.get(step)
    if (before?.status === 'undone' && run.undoing !== null) return undefined
    if (results.has(step)) return { result: results.get(step) ?? null }
    if (before?.status === 'done' || before?.status === 'undoing') return { result: before.result }
    return before !== undefined && before.status !== 'undone' && before.uncertain
      ? { result: null }
      : undefined
  }
  return undos.toReversed().flatMap((undo) => {
    const found = acted(undo.step)
    return found === undefined ? [] : [{ ...undo, ...found }]
  })
}

/**
 * Undoes steps, one after the other, each as a step of the run.
 *
 * @returns what could not be undone. `Over`: another run goes on with it.
 */
export async function undoAll(
  run: ItemRun,
  why: { status: 'failed' | 'cancelled'; error: ItemError },
  steps: ReturnType<typeof toUndo>,
): Promise<{ is: 'undone'; failures: ItemError[] } | Over> {
  // Noted first: whatever becomes of this run, nothing is done for the item any more.
  if (steps.length > 0 && run.undoing === null) {
    const noted = await sdkStep(run, 'undo', () =>
      noteUndoing(run.services.db, run.item, why.status, shownError(why.error)),
    )
    if (!noted) return superseded
  }
  const failures: ItemError[] = []
  for (const { step, undo, options, result } of steps) {
    const answer: Answer = await sdkStep(run, `undo:${step}`, () =>
      performUndo(run, step, (services) => undo({ ...services, because: why.status }, result), options),
    )
    if (answer.is === 'over') return answer
    if (answer.is === 'failed') failures.push(answer.error)
  }
  return { is: 'undone', failures }
}
