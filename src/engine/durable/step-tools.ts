import type { ItemTools, Json, StepOptions, StepOutcome, StepWork } from '../../workflows/contract.ts'
import { giveEventTo } from './events.ts'
import { returned, sdkStep, type Answer, type ItemRun } from './item-run.ts'
import type { Pass } from './pass.ts'
import { performStep } from './perform.ts'
import { undoOne } from './undo.ts'
import { checkOptions } from './step-options.ts'

type StepTools = Pick<ItemTools, 'step' | 'parallel' | 'notify' | 'compensate'>

/** The tools of a handler that do something. */
export function stepTools(run: ItemRun, pass: Pass): StepTools {
  const begin = (
    name: string,
    work: StepWork<Json | void>,
    options?: StepOptions,
    undo?: () => Promise<Answer>,
  ) => {
    checkOptions(run.workflow, name, options)
    const inside: typeof work = (services) => pass.inside(name, () => work(services))
    return pass.answer(
      name,
      () => sdkStep(run, name, () => performStep(run, pass.beginning(name), inside, options)),
      { undo },
    )
  }

  /** Undoes a step of which the handler has said how. */
  const undoOf = (name: string) => {
    const undo = pass.undos.get(name)
    return (
      undo &&
      (() => sdkStep(run, `${name}:undo`, () => undoOne(run, pass, undo, { because: 'failed', alone: true })))
    )
  }

  return {
    step: (name, work, options) => returned(pass.value(begin(name, work, options))),

    async parallel(steps, options) {
      // All at once, so that the SDK sees them as parallel.
      const outcomes = Object.entries(steps).map(
        async ([name, work]): Promise<[string, StepOutcome<Json>]> => {
          return [name, await pass.outcome(begin(name, work, options, undoOf(name)))]
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
