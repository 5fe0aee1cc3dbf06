import { AsyncLocalStorage } from 'node:async_hooks'
import { PermanentError } from '../../errors.ts'
import type { Json, StepOutcome } from '../../workflows/contract.ts'
import { checkName } from '../../workflows/step-name.ts'
import { itemError } from '../item-error.ts'
import type { Beginning } from '../ledger/item-steps/begin-step.ts'
import type { RecordedStep } from '../ledger/item-steps/recorded.ts'
import {
  isOutgrown,
  shownError,
  type Answer,
  type Answering,
  type ItemRun,
  type Stopped,
  type Undo,
} from './item-run.ts'
import { inTime } from './in-time.ts'
import { HandlerChanged, isMisuse, lostStep, Misuse } from './mistakes.ts'
import { UnderWay } from './under-way.ts'
import { forgotten, isWork, leftOut, recall, stray, unnamed, type Asked } from './replay.ts'

type AnswerOptions = { kind?: RecordedStep['kind']; ledgerName?: string; undo?: () => Promise<Answer> }

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
  /** How many steps the handler has heard of. */
  #heard = 0
  /** Nothing begins any more. */
  #isOver = false
  readonly #inside = new AsyncLocalStorage<string>()
  readonly #underWay = new UnderWay()
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
   * @param options.undo undoes it when it has failed, since it may have been done and the handler goes on without it.
   * @throws PermanentError when the name is none, or is taken.
   */
  answer(name: string, make: () => Promise<Answer>, options: AnswerOptions = {}): Answering {
    const { kind = 'step', ledgerName = name, undo } = options
    checkName(name)
    const outer = this.#inside.getStore()
    if (outer !== undefined) throw new Misuse(`the step ${name} is inside the step ${outer}`)
    if (this.#asked.has(name)) throw new PermanentError(`the step ${name} is there twice`)
    const asked = { name, ledgerName, kind, turn: this.#heard }
    this.#asked.set(name, asked)
    const recalled = recall(this.#run, asked, this.undos)
    if ('misfit' in recalled) return this.#changed(new HandlerChanged(recalled.misfit), name)
    const { known, isOwed } = recalled
    if (this.#run.undoing !== null) return Promise.resolve(known ?? { is: 'replayed' })
    if (known !== undefined && !isOwed) return Promise.resolve(known)
    return this.#underWay.add(
      asked,
      async () => await this.#undone(known ?? (await this.#inTurn(make)), undo),
    )
  }

  /** What the ledger is to know of a step that begins. */
  beginning(name: string, ledgerName = name): Omit<Beginning, keyof ItemRun['item']> {
    return { name: ledgerName, undoable: this.undos.has(name), turn: this.#asked.get(name)?.turn ?? 0 }
  }

  async #inTurn(make: () => Promise<Answer>): Promise<Answer> {
    this.#turn ??= this.#handlersTurn()
    await this.#turn
    return this.#isOver ? await never : await make()
  }

  /** @returns the answer, of what has failed once that is undone. */
  async #undone(answer: Answer, undo: AnswerOptions['undo']): Promise<Answer> {
    if (answer.is !== 'failed' || undo === undefined) return answer
    const undone = await this.#inTurn(undo)
    if (undone.is === 'done') return answer
    this.#stop(undone)
    return await never
  }

  /** The handler has its turn first: it may come to its end with what was waited for. */
  async #handlersTurn(): Promise<void> {
    const left = await inTime(() =>
      this.#isOver ? undefined : forgotten(this.#run.recorded, [...this.#asked.values()]),
    )
    this.#turn = undefined
    if (left === undefined) return
    await this.#changed(lostStep(left.lost, left.unknown), left.lost)
  }

  /** Stops the handler where no `catch` of it is in the way. */
  async #changed(changed: HandlerChanged, step: string): Promise<never> {
    this.end()
    this.#stop({ is: 'changed', error: await itemError(changed, step, this.#run.item.itemId) })
    return await never
  }

  /** Does the work of a step, in which no other may begin. */
  inside = <T>(name: string, work: () => Promise<T>): Promise<T> => this.#inside.run(name, work)

  /** @throws PermanentError when it is known already how to undo the step, that has begun, or another one is under way. */
  compensate(undo: Undo): void {
    const outer = this.#inside.getStore()
    if (outer !== undefined) {
      throw new Misuse(`compensate of ${undo.step} is inside the step ${outer}`)
    }
    if (this.undos.has(undo.step)) throw new PermanentError(`compensate names the step ${undo.step} twice`)
    this.undos.set(undo.step, undo)
    if (this.#asked.has(undo.step))
      throw new PermanentError(`compensate of ${undo.step} comes after that step`)
  }

  hasAskedFor = (name: string): boolean => this.#asked.has(name)

  /**
   * While an item is undone: every chain of its handler has had the time to say how to undo what it has done. Nothing is
   * begun meanwhile, so that no chain can be ahead of another.
   */
  async undosNamed(): Promise<void> {
    if (this.#run.undoing === null) return
    await inTime(() => unnamed(this.#run.recorded, this.undos))
  }

  strayUndo = (): string | undefined => stray(this.undos, this.#asked)

  /** @throws PermanentError when the handler has come to its end without what it has begun, or what was done. */
  async checkEnd(): Promise<void> {
    const left = this.#underWay.find(isWork)
    if (left !== undefined) {
      throw new PermanentError(`the handler has ended without the step ${left.name}, which it did not await`)
    }
    const lost = await inTime(() => leftOut(this.#run.recorded, [...this.#asked.values()]))
    if (lost !== undefined) throw lostStep(lost)
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
    if (outcome.is === 'failed' && !isMisuse(outcome.error))
      return { ok: false, error: shownError(outcome.error) }
    this.#stop(outcome)
    return await never
  }

  async #settled(answering: Answering) {
    try {
      const outcome = await answering
      if (outcome.is === 'done' || outcome.is === 'failed') this.workMs += outcome.workMs
      this.#heard += 1
      return outcome
    } catch (error) {
      if (isOutgrown(error)) this.#stop({ is: 'outgrown' })
      else this.#abort(error)
      return await never
    }
  }
}
