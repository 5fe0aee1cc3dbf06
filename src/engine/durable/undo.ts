import type { ItemError } from '../item-error.ts'
import { noteUndoing } from '../ledger/item-steps/note-undoing.ts'
import { sdkStep, shownError, superseded, type Answer, type ItemRun, type Over } from './item-run.ts'
import { performUndo } from './perform.ts'
import type { Pass, Undo } from './pass.ts'

/** What is to be undone of steps that have done something, or may have: last registered first. */
export function toUndo(run: ItemRun, { undos, acted }: Pass): Undo[] {
  return undos.toReversed().filter(({ step }) => {
    const before = run.recorded.get(step)
    if (before?.status === 'undone') return run.undoing === null && acted.has(step)
    const stood = before?.status === 'done' || before?.status === 'undoing'
    return acted.has(step) || stood || before?.uncertain === true
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
  steps: readonly Undo[],
): Promise<{ is: 'undone'; failures: ItemError[] } | Over> {
  // Noted first: whatever becomes of this run, nothing is done for the item any more.
  if (steps.length > 0 && run.undoing === null) {
    const noted = await sdkStep(run, 'undo', () =>
      noteUndoing(run.services.db, run.item, why.status, shownError(why.error)),
    )
    if (!noted) return superseded
  }
  const failures: ItemError[] = []
  for (const { step, undo, options } of steps) {
    const answer: Answer = await sdkStep(run, `undo:${step}`, () =>
      performUndo(
        run,
        step,
        (services, result) => undo({ ...services, because: why.status }, result),
        options,
      ),
    )
    if (answer.is === 'over') return answer
    if (answer.is === 'failed') failures.push(answer.error)
  }
  return { is: 'undone', failures }
}
