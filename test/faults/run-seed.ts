import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { Chance } from './chance.ts'
import { Courier, type Rules } from './deliver.ts'
import type { Answered } from './gateway.ts'
import type { Lane } from './lane.ts'
import { batchRows, clear, itemEnds, openBatches, storedResults } from './ledger.ts'
import { Operators } from './operators.ts'
import { scenarios, type Scenario } from './scenarios.ts'
import { storm, type Storm } from './storm.ts'

/** What became of a seed. */
export type SeedResult = {
  seed: number
  workflow: string
  violations: string[]
  /** The latest events before the end. */
  trace: string[]
  deliveries: number
  deaths: number
  ms: number
}

const day = 86_400_000
const reconcile = '*/5 * * * *'
const kept = 400

/** Runs one seed in a lane that is free: everything goes wrong, then nothing any more, and then all must be well. */
export async function runSeed(lane: Lane, seed: number, items: number): Promise<SeedResult> {
  const started = Date.now()
  const chance = new Chance(seed)
  const trace: string[] = []
  const note = (event: string) => {
    trace.push(event)
    if (trace.length > 2 * kept) trace.splice(0, kept)
  }
  const scenario = chance.oneOf('scenario', scenarios)
  const run = new Run({ lane, chance, scenario, note, seed })
  const violations = await run.violations(items).catch((error: unknown) => [
    `the harness fell over: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
  ])
  const { deliveries, deaths } = run
  return { seed, workflow: scenario.workflow, violations, trace, deliveries, deaths, ms: Date.now() - started }
}

type ModelAnswer = { content: string; at: number }

class Run {
  readonly #lane: Lane
  readonly #chance: Chance
  readonly #scenario: Scenario
  readonly #note: (event: string) => void
  readonly #seed: number
  readonly #storm: Storm
  readonly #courier: Courier
  #operators: Operators | undefined
  readonly #answers = new Map<string, ModelAnswer[]>()
  readonly #violations: string[] = []

  constructor(options: {
    lane: Lane
    chance: Chance
    scenario: Scenario
    note: (event: string) => void
    seed: number
  }) {
    const { lane, chance, scenario, note } = options
    this.#lane = lane
    this.#chance = chance
    this.#scenario = scenario
    this.#note = note
    this.#seed = options.seed
    this.#storm = storm(chance, note)
    const rules: Rules = {
      concurrency: chance.between('concurrency', 1, 6),
      fate: this.#storm.fate,
      after: (count) => this.#after(count),
      note,
      longestSkipMs: scenario.sleeps ? 60 * day : day,
    }
    this.#courier = new Courier(lane, rules)
  }

  get deliveries(): number {
    return this.#courier.count
  }

  get deaths(): number {
    return this.#courier.deaths
  }

  async violations(items: number): Promise<string[]> {
    const { db } = this.#lane
    this.#lane.listener = { decide: () => 'passed', seen: () => undefined }
    await clear(db)
    await this.#lane.stack.redis.reset()
    for (const service of ['model', 'mail', 'payments', 'qstash'] as const) this.#lane.stack[service]?.reset()
    await this.#scenario.populate(db, items, this.#chance)
    this.#operators = new Operators({
      lane: this.#lane,
      chance: this.#chance,
      workflow: this.#scenario.workflow,
      items: await this.#population(),
      note: this.#note,
      revive: () => this.#courier.revive(),
    })
    this.#lane.listener = {
      decide: (passage) => {
        const passing = this.#storm.passing(passage)
        // Whoever waits for an answer that never comes is killed in the end.
        if (passing === 'hung') void sleep(25).then(() => this.#courier.revive())
        return passing
      },
      seen: (answered) => this.#seen(answered),
    }
    await this.#start()
    await this.#courier.run()
    this.#storm.end()
    this.#note('the storm is over')
    await this.#recover()
    await this.#judge()
    if (this.#violations.length === 0) await this.#retry()
    return [...this.#violations, ...this.#operators.violations]
  }

  async #population(): Promise<string[]> {
    const prefix = { 'agent-welcome': 'agents', 'plan-upgrade': 'upgrades', 'trial-lifecycle': 'subscriptions' }[
      this.#scenario.workflow
    ]
    const { rows } = await this.#lane.db.query(`select id from ${prefix} order by id`)
    return rows.map((row) => z.object({ id: z.string() }).parse(row).id)
  }

  /** A start is asked for until it is answered, perhaps by two at once. */
  async #start(): Promise<void> {
    const path = `/workflows/${this.#scenario.workflow}/batches`
    const body = { maxOutstanding: this.#chance.between('bound', 2, 30), reason: 'faults' }
    const headers = { 'idempotency-key': `seed-${this.#seed}` }
    for (let turn = 0; turn < 20; turn += 1) {
      const racing = this.#chance.happens('race', 0.3) ? 2 : 1
      const answers = await Promise.all(
        Array.from({ length: racing }, () => this.#lane.ask('POST', path, body, headers)),
      )
      this.#note(`start → ${answers.map((answer) => answer?.status ?? 'nothing').join(', ')}`)
      if (answers.some((answer) => answer?.status === 201 || answer?.status === 200)) return
      if (turn === 10) this.#storm.end()
    }
    this.#violations.push('a batch could not be started')
  }

  async #after(count: number): Promise<void> {
    await this.#operators?.actAt(count)
    if (count % 7 === 0 && !this.#scenario.sleeps) await this.#checkBounds()
  }

  async #checkBounds(): Promise<void> {
    if (this.#operators?.hasLowered === true) return
    for (const { id, outstanding, maxOutstanding } of await batchRows(this.#lane.db)) {
      if (outstanding > maxOutstanding)
        this.#violations.push(`${outstanding} items of ${id} are outstanding, of at most ${maxOutstanding}`)
    }
  }

  #seen({ service, path, body, status, answer }: Answered): void {
    if (service !== 'model' || !path.includes('completions') || status !== 200) return
    const id = /Agent (a\d+)/.exec(body)?.[1]
    if (id === undefined) return
    const { choices } = completion.parse(JSON.parse(answer))
    const answers = this.#answers.get(id) ?? []
    answers.push({ content: choices[0]?.message.content ?? '', at: this.#lane.now() })
    this.#answers.set(id, answers)
  }

  /** First nobody helps but the tick; then the operator resumes. */
  async #recover(): Promise<void> {
    for (let turn = 0; turn < 12; turn += 1) {
      await this.#courier.run()
      const open = (await batchRows(this.#lane.db)).filter(
        ({ status, unfinished }) => unfinished > 0 || ['starting', 'running', 'paused', 'queued'].includes(status),
      )
      if (open.length === 0) return
      const held = open.filter(({ pausedBy, reason }) => pausedBy !== null && (reason !== null || pausedBy === 'operator'))
      if (turn >= 5 && held.length < open.length) {
        const lost = open.filter((batch) => !held.includes(batch))
        this.#violations.push(`nobody goes on with ${lost.map(({ id, status }) => `${id} (${status})`).join(', ')}`)
        return
      }
      if (held.length === open.length || turn >= 4) await this.#resume()
      else {
        await this.#lane.advance(6 * 60_000)
        await this.#lane.tick(reconcile)
      }
    }
    this.#violations.push('a batch does not end, however often it is resumed')
  }

  async #resume(): Promise<void> {
    await this.#operators?.check()
    await this.#lane.ask('PUT', `/kill-switches/${this.#scenario.workflow}`, { on: false })
    this.#operators?.release()
    for (const id of await openBatches(this.#lane.db)) {
      const answer = await this.#lane.ask('POST', `/batches/${id}/resume`)
      this.#note(`resume → ${answer?.status}`)
    }
    await this.#lane.advance(6 * 60_000)
    await this.#lane.tick(reconcile)
  }

  async #judge(): Promise<void> {
    await this.#operators?.check()
    for (const { id, status } of await batchRows(this.#lane.db)) {
      if (status === 'skipped' || status === 'failed') continue
      const answer = await this.#lane.ask('GET', `/batches/${id}/proof`)
      const proof = proofSchema.parse(answer?.body)
      if (!proof.balanced) this.#violations.push(`the proof of ${id} (${status}) is not balanced: ${JSON.stringify(proof)}`)
      if (proof.workedOnAgain > 0) this.#violations.push(`${proof.workedOnAgain} items were worked on again`)
    }
    const ends = await itemEnds(this.#lane.db)
    const items = new Map(ends.map(({ id, ...end }) => [id, end]))
    this.#violations.push(...(await this.#scenario.violations(this.#lane, items)))
    await this.#judgeResults(items)
  }

  async #judgeResults(items: ReadonlyMap<string, { status: string; batches: number; rounds: number }>): Promise<void> {
    const results = new Map((await storedResults(this.#lane.db)).map(({ id, ...result }) => [id, result]))
    for (const [id, { status, batches, rounds }] of items) {
      const result = results.get(id)
      if (status === 'succeeded' && result === undefined) this.#violations.push(`${id} has succeeded without a result`)
      if (this.#scenario.workflow !== 'agent-welcome' || result === undefined) continue
      const answers = this.#answers.get(id) ?? []
      const same = answers.filter(({ content }) => isSame(content, result.data))
      if (same.length === 0) this.#violations.push(`the result of ${id} is no answer of the model`)
      if (batches > 1 || rounds > 1) continue
      const later = answers.filter(({ at }) => at > result.atMs + 1)
      if (later.length > 0) this.#violations.push(`${id} was worked on after its result was stored`)
    }
  }

  /** What has failed is tried again, when nothing is wrong any more. */
  async #retry(): Promise<void> {
    const failed = (await batchRows(this.#lane.db)).filter((batch) => batch.failed > 0 && batch.status === 'completed')
    if (failed.length === 0) return
    for (const { id } of failed) {
      const answer = await this.#lane.ask('POST', `/batches/${id}/retry`, { all: true, confirm: true })
      this.#note(`retry → ${answer?.status} ${JSON.stringify(answer?.body)}`)
      await this.#recover()
    }
    if (this.#violations.length === 0) await this.#judge()
  }
}

const completion = z.object({ choices: z.array(z.object({ message: z.object({ content: z.string() }) })) })
const proofSchema = z.looseObject({ balanced: z.boolean(), workedOnAgain: z.int(), mismatches: z.array(z.string()) })

function isSame(content: string, data: unknown): boolean {
  try {
    return JSON.stringify(sorted(JSON.parse(content))) === JSON.stringify(sorted(data))
  } catch {
    return false
  }
}

const sorted = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
    : value
