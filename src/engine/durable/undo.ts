import { PermanentError } from '../../errors.ts'
import { itemError, type ItemError } from '../item-error.ts'
import { noteUndoing } from '../ledger/item-steps/note-undoing.ts'
import type { RecordedStep } from '../ledger/item-steps/recorded.ts'
import { sdkStep, shownError, superseded, type Answer, type ItemRun, type Over } from './item-run.ts'
import { performUndo } from './perform.ts'
import type { Undo } from './pass.ts'

/**
 * Undoes, of the steps that the handler has said how to undo, those that have done something or may have, as the ledger
 * says: one after the other, the last registered first, each as a step of the run.
 *
 * @returns what could not be undone. `Over`: another run goes on with it.
 */
export async function undoAll(
  run: ItemRun,
  why: { status: 'failed' | 'cancelled'; error: ItemError },
  undos: readonly Undo[],
): Promise<{ is: 'undone'; failures: ItemError[] } | Over> {
  const failures = await unknownUndos(run, undos)
  if (undos.length === 0) return { is: 'undone', failures }
  const names = await stepsToUndo(run, why)
  if (names === null) return superseded
  for (const { step, undo, options } of undos.toReversed()) {
    if (!names.includes(step)) continue
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

/** What an earlier run had begun to undo, and the handler does not say how any more. */
const unknownUndos = ({ recorded, item }: ItemRun, undos: readonly Undo[]): Promise<ItemError[]> =>
  Promise.all(
    [...recorded.values()]
      .filter(({ name, stuck }) => stuck && !undos.some(({ step }) => step === name))
      .map(({ name }) =>
        itemError(
          new PermanentError(`the handler does not say any more how to undo ${name}`),
          name,
          item.itemId,
        ),
      ),
  )

/**
 * What there is to undo, told once nothing is done for the item any more, whatever becomes of this run. Null: the item is
 * at another attempt.
 */
async function stepsToUndo(
  run: ItemRun,
  { status, error }: { status: 'failed' | 'cancelled'; error: ItemError },
): Promise<string[] | null> {
  if (run.undoing !== null) return [...run.recorded.values()].filter(isToUndo).map(({ name }) => name)
  return await sdkStep(run, 'undo', async () => {
    const steps = await noteUndoing(run.services.db, run.item, status, shownError(error))
    return steps?.filter(isToUndo).map(({ name }) => name) ?? null
  })
}

const isToUndo = ({ status, uncertain }: RecordedStep) =>
  status === 'done' || status === 'undoing' || (status !== 'undone' && uncertain)
