import { PermanentError, RetryLaterError } from '../../../src/errors.ts'
import type { ItemTools, StepServices } from '../../../src/workflows/contract.ts'
import type { Chance } from '../../faults/chance.ts'
import type { Toy } from './one-user.ts'

/** What a key has come to outside. */
type Effect = { name: string; isCharged: boolean; refunds: number }

/** What a step of the handler does: `before` and `after` tell when it fails without saying whether it has acted. */
const ways = [
  ...(['acts', 'acts', 'acts', 'acts', 'declined'] as const),
  ...(['before', 'after', 'later', 'under way'] as const),
] as const

/** A handler as a seed has it, each step of which charges something and says how that is refunded. */
export class AnyHandler {
  /** What it did, in order. */
  readonly log: string[] = []
  /** What was charged after it had been refunded. */
  readonly late: string[] = []
  /** How each step came out when the handler ran last. */
  outcomes = new Map<string, boolean>()
  readonly #effects = new Map<string, Effect>()
  readonly #chance: Chance
  readonly #kinds: number[]

  constructor(chance: Chance) {
    this.#chance = chance
    this.#kinds = [1, 2, 3, 4].map((n) => chance.between(`part ${n}`, 0, 5))
  }

  get effects(): Effect[] {
    return [...this.#effects.values()]
  }

  /** Four parts, one after the other. */
  readonly run: Toy = async (_, tools) => {
    const outcomes = new Map<string, boolean>()
    for (const [n, kind] of this.#kinds.entries()) await this.#part(n, kind, tools, outcomes)
    this.outcomes = outcomes
    return { text: 'done' }
  }

  async #part(n: number, kind: number, tools: ItemTools, outcomes: Map<string, boolean>): Promise<unknown> {
    const one = (name: string) => this.#one(tools, outcomes, name)
    const several = (...names: string[]) => this.#several(tools, outcomes, names)
    const links = async () => {
      for (const link of ['a', 'b', 'c']) await one(`${link}${n}`)
    }
    const waiting = async () => {
      await one(`before ${n}`)
      await tools.sleep(`nap ${n}`, '2 hours')
      await one(`after ${n}`)
    }
    if (kind === 1) return await one(`one ${n}`)
    if (kind === 2) return await several(`left ${n}`, `right ${n}`)
    if (kind === 3) return await Promise.all([several(`branch ${n}`), links()])
    if (kind === 4) return await tools.sleep(`night ${n}`, '1 day')
    return kind === 5 && (await Promise.all([several(`beside ${n}`, `by ${n}`), waiting()]))
  }

  async #one(tools: ItemTools, outcomes: Map<string, boolean>, name: string): Promise<void> {
    this.#sayUndo(tools, name)
    await tools.step(name, this.#work(name), tries)
    outcomes.set(name, true)
  }

  /** What fails among these is made up for. */
  async #several(tools: ItemTools, outcomes: Map<string, boolean>, names: string[]): Promise<void> {
    for (const name of names) this.#sayUndo(tools, name)
    const ended = await tools.parallel(
      Object.fromEntries(names.map((name) => [name, this.#work(name)])),
      tries,
    )
    for (const [name, { ok }] of Object.entries(ended)) outcomes.set(name, ok)
    for (const [name, { ok }] of Object.entries(ended)) {
      if (!ok) await this.#one(tools, outcomes, `${name} instead`)
    }
  }

  readonly #work =
    (name: string) =>
    async ({ key }: StepServices): Promise<string> => {
      const effect = this.#effect(key, name)
      const way = this.#chance.oneOf(name, ways)
      this.log.push(`${name}: ${way}`)
      if (way === 'declined') throw new PermanentError('declined')
      if (way === 'before') throw new Error('the request was lost')
      if (way === 'later') throw new RetryLaterError('later', 30, { slows: false })
      if (effect.refunds > 0) this.late.push(name)
      effect.isCharged = true
      if (way === 'after') throw new Error('the answer was lost')
      if (way === 'under way') throw new RetryLaterError('wait', 30, { slows: false, underWay: true })
      return name
    }

  #sayUndo({ compensate }: ItemTools, name: string): void {
    const undo = async ({ stepKey }: { stepKey: string }) => {
      const way = this.#chance.at(`undo ${name}`)
      this.log.push(`undo ${name}: ${way < 0.15 ? 'later' : way < 0.2 ? 'cannot' : 'acts'}`)
      if (way < 0.15) throw new RetryLaterError('later', 30, { slows: false })
      if (way < 0.2) throw new PermanentError('cannot')
      this.#effect(stepKey, name).refunds += 1
    }
    compensate(name, undo, { retries: 3 })
  }

  #effect(key: string, name: string): Effect {
    const effect = this.#effects.get(key) ?? { name, isCharged: false, refunds: 0 }
    this.#effects.set(key, effect)
    return effect
  }
}

const tries = { retries: 1, backoff: '5 seconds' } as const
