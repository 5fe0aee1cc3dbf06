import { AsyncLocalStorage } from 'node:async_hooks'
import { PermanentError } from '../../errors.ts'
import type { Json, StepOutcome } from '../../workflows/contract.ts'
import { checkName } from '../../workflows/step-name.ts'
import { itemError, type ItemError } from '../item-error.ts'
import type { RecordedStep } from '../ledger/item-steps/recorded.ts'
import { isOutgrown, shownError, type Answer, type ItemRun, type Stop, type Undo } from './item-run.ts'
import { inTime } from './in-time.ts'
import { answerOf, forgotten, isToUndo, isWork, leftOut, type Asked } from './replay.ts'

/**
 * Why nothing more of a handler runs in this pass. `replayed`: it has come to what was not begun before. `outgrown`: the
 * handler has changed since the run began.
 */
export type Stopped = Stop | { is: 'failed'; error: ItemError } | { is: 'replayed' } | { is: 'outgrown' }

/** What a step comes to in this pass. */
export type Answering = Promise<Answer | { is: 'replayed' }>

const lostMessage = (step: string) =>
  `${step} was done, and the handler does not come to it any more: a changed one needs a new version, and may not ask for other steps each time it runs`

/** Settles never: nothing of a handler runs after a step that stops it. */
const never = new Promise<never>(() => undefined)

/**
 * One pass of a handler, from its start as far as it goes. A step that cannot go on settles nothing in the handler, so
 * that no `catch` or `finally` of it is in the way of the SDK or of the undoing: `stop` or `abort` hears of it.
 */
export class Pass {
  readonly undos = new Map<string, Undo>()
  /** Milliseconds of work of the steps so far. */
  workMs = 0

  /** The steps that were asked for. */
  readonly #asked = new Map<string, Asked>()
  /** Nothing begins any more. */
  #isOver = false
  readonly #inside = new AsyncLocalStorage<string>()
  /** Steps that have not come to anything yet; one of them may be a wait. */
  readonly #open = new Map<Promise<Answer>, Asked>()
  #isWaiting = false
  #turn: Promise<void> | undefined
  readonly #run: ItemRun
  readonly #stop: (stopped: Stopped) => void
  readonly #abort: (error: unknown) => void

  constructor(run: ItemRun, stop: (stopped: Stopped) => void, abort: (error: unknown) => void) {
    this.#run = run
    this.#stop = (stopped) => {
      this.end()
      void this.undosNamed().then(() => stop(stopped))
    }
    this.#abort = (error) => {
      this.end()
      abort(error)
    }
  }

  /** The handler has come to its end, or to one step that stops it: what it has asked for beside that does not begin. */
  end(): void {
    this.#isOver = true
  }

  /**
   * What a step comes to: what it came to before this run, else what `make` says, which is called at once.
   *
   * @throws PermanentError when the name is none, or is taken.
   */
  answer(
    name: string,
    make: () => Promise<Answer>,
    { kind = 'step', ledgerName = name }: { kind?: RecordedStep['kind']; ledgerName?: string } = {},
  ): Answering {
    checkName(name)
    const outer = this.#inside.getStore()
    if (outer !== undefined) throw new PermanentError(`the step ${name} is inside the step ${outer}`)
    if (this.#asked.has(name)) throw new PermanentError(`the step ${name} is there twice`)
    const asked = { name, ledgerName, kind }
    this.#asked.set(name, asked)
    const recorded = this.#run.recorded.get(ledgerName)
    if (recorded !== undefined && recorded.kind !== kind) {
      throw new PermanentError(`${name} was a ${recorded.kind} before: a changed handler needs a new version`)
    }
    const known = answerOf(recorded, this.#run.undoing !== null)
    if (known !== undefined) return Promise.resolve(known)
    if (this.#run.undoing !== null) return Promise.resolve({ is: 'replayed' })
    return this.#inTurn(make, asked)
  }

  /** Makes a step's answer at once, but for a wait, which an item is in alone: it comes when all before it has. */
  #inTurn(make: () => Promise<Answer>, step: Asked): Promise<Answer> {
    const isWait = step.kind !== 'step'
    const before = [...this.#open.keys()]
    const isLate = before.length > 0 && (isWait || this.#isWaiting)
    const made = this.#after(isLate ? before : [], make)
    this.#open.set(made, step)
    this.#isWaiting ||= isWait
    const close = () => {
      this.#open.delete(made)
      if (this.#open.size === 0) this.#isWaiting = false
    }
    made.then(close, close)
    return made
  }

  async #after(before: readonly Promise<Answer>[], make: () => Promise<Answer>): Promise<Answer> {
    await Promise.all(before)
    this.#turn ??= this.#handlersTurn()
    await this.#turn
    return this.#isOver ? await never : await make()
  }

  /** The handler has its turn first: it may come to its end with what was waited for. */
  async #handlersTurn(): Promise<void> {
    const lost = await inTime(() =>
      this.#isOver ? undefined : forgotten(this.#run.recorded, [...this.#asked.values()]),
    )
    this.#turn = undefined
    if (lost === undefined) return
    const error = await itemError(new PermanentError(lostMessage(lost)), lost, this.#run.item.itemId)
    this.#stop({ is: 'failed', error })
  }

  /** Does the work of a step, in which no other may begin. */
  inside = <T>(name: string, work: () => Promise<T>): Promise<T> => this.#inside.run(name, work)

  /** @throws PermanentError when it is known already how to undo the step, that has begun, or another one is under way. */
  compensate(undo: Undo): void {
    const outer = this.#inside.getStore()
    if (outer !== undefined) {
      throw new PermanentError(`compensate of ${undo.step} is inside the step ${outer}`)
    }
    if (this.undos.has(undo.step)) throw new PermanentError(`compensate names the step ${undo.step} twice`)
    if (this.#asked.has(undo.step))
      throw new PermanentError(`compensate of ${undo.step} comes after that step`)
    this.undos.set(undo.step, undo)
  }

  hasAskedFor = (name: string): boolean => this.#asked.has(name)

  /**
   * While an item is undone: every chain of its handler has had the time to say how to undo what it has done. Nothing is
   * begun meanwhile, so that no chain can be ahead of another.
   */
  async undosNamed(): Promise<void> {
    if (this.#run.undoing === null) return
    await inTime(() =>
      [...this.#run.recorded.values()].find(
        (step) => step.undoable && isToUndo(step) && !this.undos.has(step.name),
      ),
    )
  }

  /** What is to be undone though it was no step; of the waits, only calls do anything. */
  strayUndo = (): string | undefined =>
    [...this.undos.keys()].find((name) => {
      const asked = this.#asked.get(name)
      return asked === undefined || !isWork(asked)
    })

  /** @throws PermanentError when the handler has come to its end without what it has begun, or what was done. */
  async checkEnd(): Promise<void> {
    const left = [...this.#open.values()].find(isWork)
    if (left !== undefined) {
      throw new PermanentError(`the handler has ended without the step ${left.name}, which it did not await`)
    }
    const lost = await inTime(() => leftOut(this.#run.recorded, [...this.#asked.values()]))
    if (lost !== undefined) throw new PermanentError(lostMessage(lost))
  }

  /** Gives the handler what a step came to, or nothing at all. */
  async value(answering: Answering): Promise<Json> {
    const outcome = await this.#settled(answering)
    if (outcome.is === 'done') return outcome.value
    this.#stop(outcome)
    return await never
  }

  /** Gives the handler what a step came to, also when it failed. */
  async outcome(answering: Answering): Promise<StepOutcome<Json>> {
    const outcome = await this.#settled(answering)
    if (outcome.is === 'done') return { ok: true, value: outcome.value }
    if (outcome.is === 'failed') return { ok: false, error: shownError(outcome.error) }
    this.#stop(outcome)
    return await never
  }

  async #settled(answering: Answering) {
    try {
      const outcome = await answering
      if (outcome.is === 'done' || outcome.is === 'failed') this.workMs += outcome.workMs
      return outcome
    } catch (error) {
      if (isOutgrown(error)) this.#stop({ is: 'outgrown' })
      else this.#abort(error)
      return await never
    }
  }
}
