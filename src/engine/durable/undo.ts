import { PermanentError } from '../../errors.ts'
import { itemError, type ItemError } from '../item-error.ts'
import { noteUndoing } from '../ledger/item-steps/note-undoing.ts'
import { sdkStep, shownError, type Answer, type ItemRun, type Over, type Undo } from './item-run.ts'
import { performUndo } from './perform.ts'
import type { Pass } from './pass.ts'
import { isToUndo } from './replay.ts'

type Why = { status: 'failed' | 'cancelled'; error: ItemError }

/**
 * Notes, before anything is undone, that nothing more is done for the item, whatever becomes of this run.
 *
 * @returns the run as it is then, in which the handler says how to undo what there is. Null: the item is at another attempt.
 */
export async function asUndoing(run: ItemRun, { status, error }: Why): Promise<ItemRun | null> {
  if (run.undoing !== null) return run
  const steps = await sdkStep(
    run,
    'undo',
    async () => (await noteUndoing(run.services.db, run.item, status, shownError(error))) ?? null,
  )
  return steps && { ...run, undoing: status, recorded: new Map(steps.map((step) => [step.name, step])) }
}

/**
 * Undoes what the steps of an item have done or may have: one after the other, the last begun first, each as a step of
 * the run. What the handler does not say how to undo stands.
 *
 * @returns what could not be undone. `Over`: another run goes on with it.
 */
export async function undoAll(
  run: ItemRun,
  because: 'failed' | 'cancelled',
  pass: Pass,
): Promise<{ is: 'undone'; failures: ItemError[] } | Over> {
  const failures: ItemError[] = []
  for (const step of [...run.recorded.values()].filter(isToUndo).toReversed()) {
    const { name, undoable, stuck } = step
    const undo = pass.undos.get(name)
    if (undo === undefined) {
      // It was said when the step was begun: the handler has changed, or is not deployed.
      if (undoable || stuck) failures.push(await unknown(run, name))
      continue
    }
    const answer: Answer = await sdkStep(run, `undo:${name}`, () =>
      undoOne(run, pass, undo, { because, alone: false }),
    )
    if (answer.is === 'over') return answer
    if (answer.is === 'failed') failures.push(answer.error)
  }
  return { is: 'undone', failures }
}

/** Undoes one step, unless the ledger says that there is nothing to undo. @param why.alone the handler goes on without it. */
export const undoOne = (
  run: ItemRun,
  pass: Pass,
  { step, undo, options }: Undo,
  { because, alone }: { because: 'failed' | 'cancelled'; alone: boolean },
): Promise<Answer> =>
  performUndo(
    run,
    step,
    (services, result) => pass.inside(`undo of ${step}`, () => undo({ ...services, because }, result)),
    { ...options, alone },
  )

const unknown = ({ item }: ItemRun, name: string) =>
  itemError(new PermanentError(`the handler does not say any more how to undo ${name}`), name, item.itemId)
