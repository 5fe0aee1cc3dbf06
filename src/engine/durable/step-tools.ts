import type { ItemTools, Json, StepOptions, StepOutcome, StepWork } from '../../workflows/contract.ts'
import { giveEventTo } from './events.ts'
import { returned, sdkStep, type ItemRun } from './item-run.ts'
import type { Pass } from './pass.ts'
import { performStep } from './perform.ts'
import { undoOne } from './undo.ts'
import { isUndoneByItself } from './replay.ts'
import { checkOptions } from './step-options.ts'

type StepTools = Pick<ItemTools, 'step' | 'parallel' | 'notify' | 'compensate'>

/** The tools of a handler that do something. */
export function stepTools(run: ItemRun, pass: Pass): StepTools {
  const begin = (name: string, work: StepWork<Json | void>, options?: StepOptions) => {
    checkOptions(run.workflow, name, options)
    return pass.answer(name, () =>
      sdkStep(run, name, () =>
        performStep(
          run,
          pass.beginning(name),
          (services) => pass.inside(name, () => work(services)),
          options,
        ),
      ),
    )
  }

  /** What has failed may have been done, and the handler may go on without it. */
  async function undoFailed(name: string) {
    const undo = pass.undos.get(name)
    if (undo === undefined || run.undoing !== null || isUndoneByItself(run.recorded.get(name))) return
    await pass.settle(name, () => sdkStep(run, `${name}:undo`, () => undoOne(run, pass, undo, 'failed')))
  }

  return {
    step: (name, work, options) => returned(pass.value(begin(name, work, options))),

    async parallel(steps, options) {
      // All at once, so that the SDK sees them as parallel.
      const outcomes = Object.entries(steps).map(
        async ([name, work]): Promise<[string, StepOutcome<Json>]> => {
          const outcome = await pass.outcome(begin(name, work, options))
          if (!outcome.ok) await undoFailed(name)
          return [name, outcome]
        },
      )
      return await returned(Promise.all(outcomes).then((all) => Object.fromEntries(all)))
    },

    notify: (name, to, data) =>
      returned(pass.value(begin(name, async () => (await giveEventTo(run.services, to, data)).length > 0))),

    compensate: (name, undo, options = {}) => {
      checkOptions(run.workflow, name, options)
      pass.compensate({ step: name, undo, options })
    },
  }
}
