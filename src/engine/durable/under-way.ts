import type { Answer } from './item-run.ts'
import type { Asked } from './replay.ts'

/** The steps of a pass that have not come to anything yet. An item is in a wait alone. */
export class UnderWay {
  readonly #steps = new Map<Promise<Answer>, Asked>()
  #isWaiting = false

  /** Makes a step's answer at once; that of a wait, or beside one, when all before it have come to something. */
  add(step: Asked, make: () => Promise<Answer>): Promise<Answer> {
    const isWait = step.kind !== 'step'
    const before = [...this.#steps.keys()]
    const isLate = before.length > 0 && (isWait || this.#isWaiting)
    const made = Promise.all(isLate ? before : []).then(make)
    this.#steps.set(made, step)
    this.#isWaiting ||= isWait
    const close = () => {
      this.#steps.delete(made)
      if (this.#steps.size === 0) this.#isWaiting = false
    }
    made.then(close, close)
    return made
  }

  find = (which: (step: Asked) => boolean): Asked | undefined => [...this.#steps.values()].find(which)
}
