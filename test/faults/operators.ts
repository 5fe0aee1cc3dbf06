import { z } from 'zod'
import type { Chance } from './chance.ts'
import type { Lane } from './lane.ts'
import { batchRows, begunOf, openBatches } from './ledger.ts'

type Actions = Record<string, () => Promise<void>>
/** What they do more often than the rest. */
const often = ['pause', 'pause', 'pause', 'pause', 'resume', 'resume', 'cancel', 'cancel']

type Planned = { at: number; act: string }

/** So often the Worker asks something of a service in one delivery, more or less. */
const passagesOfDelivery = 4

const answered = z.object({ status: z.int(), body: z.unknown() })

/** People who interfere at any moment, and what they were promised. */
export class Operators {
  readonly violations: string[] = []
  /** A batch's bound was lowered below what may be outstanding already. */
  hasLowered = false
  readonly #lane: Lane
  readonly #chance: Chance
  readonly #workflow: string
  readonly #items: readonly string[]
  readonly #note: (event: string) => void
  /** After so many deliveries. */
  readonly #between: Planned[]
  /** While the Worker is asking something of a service, for the so many-th time. */
  readonly #amid: Planned[]
  #passages = 0
  #isActing = false
  /** What had begun of a batch when its stop was acknowledged. */
  readonly #stopped = new Map<string, { by: string; begun: number }>()
  #last: Promise<void> = Promise.resolve()

  constructor(options: {
    lane: Lane
    chance: Chance
    workflow: string
    items: readonly string[]
    /** Deliveries in which they may act; 0: they do not. */
    deliveries: number
    note: (event: string) => void
    revive: () => Promise<void>
    /** Puts the next version of the code in place. */
    deploy: () => Promise<void>
  }) {
    const { lane, chance, workflow, items, deliveries, note, revive, deploy } = options
    this.#lane = lane
    this.#chance = chance
    this.#workflow = workflow
    this.#items = items
    this.#note = note
    this.#actions.die = revive
    this.#actions.deploy = deploy
    const names = [...Object.keys(this.#actions), ...often]
    const length = deliveries === 0 ? 0 : chance.between('operators', 0, 8)
    const planned = Array.from({ length }, (_, index) => ({
      at: chance.between(`operator ${index}`, 1, deliveries),
      act: names[chance.between(`act ${index}`, 0, names.length - 1)] ?? 'tick',
      isAmid: chance.happens(`amid ${index}`, 0.6),
    })).toSorted((a, b) => a.at - b.at)
    this.#between = planned.filter(({ isAmid }) => !isAmid)
    this.#amid = planned
      .filter(({ isAmid }) => isAmid)
      .map(({ at, act }) => ({ act, at: at * passagesOfDelivery + chance.between('passage', 0, 3) }))
  }

  /** What is planned for when so many deliveries are done. */
  actAfter = (deliveries: number): Promise<void> => this.#actAt(this.#between, deliveries)

  /** What is planned for while the Worker waits for this answer; what they ask of it themselves is answered at once. */
  async actAmid(): Promise<void> {
    if (this.#isActing) return
    this.#passages += 1
    await this.#actAt(this.#amid, this.#passages)
  }

  /** One after the other. */
  async #actAt(list: Planned[], count: number): Promise<void> {
    while ((list[0]?.at ?? Infinity) <= count) {
      const planned = list.shift()
      if (planned === undefined) return
      await this.#inTurn(async () => this.#actions[planned.act]?.())
    }
  }

  /** Nobody interferes with what an operator does, since the later of two orders would hold. */
  async #inTurn(act: () => Promise<void>): Promise<void> {
    const before = this.#last
    const turn = async () => {
      await before
      this.#isActing = true
      await act()
      this.#isActing = false
    }
    this.#last = turn()
    await this.#last
  }

  /** Looks whether what was stopped has stood still. */
  async check(): Promise<void> {
    for (const [batchId, { by, begun }] of this.#stopped) {
      const now = await begunOf(this.#lane.db, batchId)
      if (now > begun) this.violations.push(`${now - begun} began after the ${by} of ${batchId} was answered`)
    }
  }

  /** Lets everything go on. */
  resumeAll = (): Promise<void> =>
    this.#inTurn(async () => {
      await this.#actions.killSwitchOff?.()
      const held = (await batchRows(this.#lane.db)).filter(({ pausedBy }) => pausedBy !== null)
      for (const { id } of held) await this.#ask('PATCH', `/batches/${id}`, { budget: null })
      await this.#actions.resume?.()
    })

  /** Has what failed tried again. False: nothing has. */
  async retryAll(): Promise<boolean> {
    const failed = (await batchRows(this.#lane.db)).filter((batch) => batch.failed > 0)
    await this.#inTurn(async () => {
      for (const { id } of failed) {
        this.#stopped.delete(id)
        await this.#ask('POST', `/batches/${id}/retry`, { all: true, confirm: true })
      }
    })
    return failed.length > 0
  }

  readonly #actions: Actions = {
    pause: () => this.#stop('pause'),
    cancel: () => this.#stop('cancel'),
    resume: async () => {
      await this.#letGo(async (id) => {
        await this.#ask('POST', `/batches/${id}/resume`)
      })
    },
    retry: async () => {
      await this.#letGo(async (id) => {
        await this.#ask('POST', `/batches/${id}/retry`, { all: true, confirm: true })
      })
    },
    killSwitch: async () => {
      const answer = await this.#ask('PUT', `/kill-switches/${this.#workflow}`, { on: true })
      if (answer?.status === 200) {
        for (const id of await openBatches(this.#lane.db)) await this.#hold(id, 'kill switch')
      }
    },
    killSwitchOff: async () => {
      await this.check()
      this.#stopped.clear()
      await this.#ask('PUT', `/kill-switches/${this.#workflow}`, { on: false })
    },
    limits: async () => {
      this.hasLowered = true
      const maxOutstanding = this.#chance.between('new bound', 1, 10)
      for (const id of await openBatches(this.#lane.db)) {
        await this.#ask('PATCH', `/batches/${id}`, { maxOutstanding })
      }
    },
    start: async () => {
      const start = `/workflows/${this.#workflow}/batches`
      await Promise.all([
        this.#ask('POST', start, {}),
        this.#ask('POST', start, { force: true, confirm: true }),
      ])
    },
    byHand: async () => {
      const id = this.#chance.oneOf('by hand', [this.#items[0] ?? '', ...this.#items])
      await this.#ask('POST', `/workflows/${this.#workflow}/items/${id}`, {
        force: this.#chance.happens('forced', 0.5),
        confirm: true,
      })
    },
    decide: async () => {
      const { rows } = await this.#lane.db.query(
        `select id from approvals where status = 'pending' order by id`,
      )
      for (const { id } of rows.map((row) => z.object({ id: z.string() }).parse(row))) {
        const decision = this.#chance.oneOf('decision', ['approved', 'rejected'])
        await this.#ask('POST', `/approvals/${id}`, { decision })
      }
    },
    tick: async () => {
      this.#note('tick')
      await this.#lane.tick('*/5 * * * *')
    },
  }

  async #stop(by: 'pause' | 'cancel'): Promise<void> {
    for (const id of await openBatches(this.#lane.db)) {
      const answer = await this.#ask('POST', `/batches/${id}/${by}`)
      if (answer?.status === 200) await this.#hold(id, by)
    }
  }

  async #hold(batchId: string, by: string): Promise<void> {
    if (!this.#stopped.has(batchId)) {
      this.#stopped.set(batchId, { by, begun: await begunOf(this.#lane.db, batchId) })
    }
  }

  async #letGo(act: (batchId: string) => Promise<void>): Promise<void> {
    for (const id of await openBatches(this.#lane.db)) {
      await this.check()
      this.#stopped.delete(id)
      await act(id)
    }
  }

  async #ask(method: string, path: string, body?: unknown) {
    const answer = answered.nullable().parse(await this.#lane.ask(method, path, body))
    this.#note(`${method} ${path.replaceAll(/[0-9a-f-]{30,}/g, '…')} → ${answer?.status ?? 'nothing'}`)
    return answer
  }
}
