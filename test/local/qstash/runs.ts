import type { Clock } from './clock.ts'
import type { Run, RunConfig, Invoker } from './run.ts'

type Limits = { dedupWindowMs: number; keptRuns: number; keptLogBytes: number }

type NewRun = {
  id: string
  messageId: string
  url: string
  callerIp: string
  config: RunConfig
  invoker: Invoker | undefined
}

class LabelIndex {
  readonly #runs = new Map<string, Set<Run>>()

  add(run: Run): void {
    for (const label of run.config.labels) {
      const runs = this.#runs.get(label)
      if (runs) runs.add(run)
      else this.#runs.set(label, new Set([run]))
    }
  }

  delete(run: Run): void {
    for (const label of run.config.labels) {
      const runs = this.#runs.get(label)
      runs?.delete(run)
      if (runs?.size === 0) this.#runs.delete(label)
    }
  }

  /** Runs with any of the labels, in order of creation. */
  find(labels: readonly string[]): Run[] {
    if (labels.length === 1) return [...(this.#runs.get(labels[0] ?? '') ?? [])]
    const found = new Set(labels.flatMap((label) => [...(this.#runs.get(label) ?? [])]))
    return [...found].toSorted((a, b) => a.sequence - b.sequence)
  }

  clear(): void {
    this.#runs.clear()
  }
}

/** What a log entry takes in memory besides its body, roughly. */
const ENTRY_BYTES = 500

const logBytes = (run: Run) => run.log.reduce((sum, entry) => sum + entry.bytes + ENTRY_BYTES, 0)

/** The runs, active and ended. Of the ended ones, the oldest lose first their bodies and then their records. */
export class Runs {
  readonly #clock: Clock
  readonly #limits: Limits
  readonly #byId = new Map<string, Run>()
  readonly #all = new Set<Run>()
  readonly #active = new Set<Run>()
  readonly #ended = new Set<Run>()
  readonly #readable = new Set<Run>()
  readonly #labels = new LabelIndex()
  readonly #activeLabels = new LabelIndex()
  #sequence = 0
  #keptBytes = 0

  constructor(clock: Clock, limits: Limits) {
    this.#clock = clock
    this.#limits = limits
  }

  /** The newest run with that id. */
  get(id: string): Run | undefined {
    return this.#byId.get(id)
  }

  active(id: string): Run | undefined {
    const run = this.#byId.get(id)
    return run?.state === 'RUN_STARTED' ? run : undefined
  }

  /** The run that makes a second one with this id a duplicate. */
  holder(id: string): Run | undefined {
    const run = this.#byId.get(id)
    return run && (run.state === 'RUN_STARTED' || this.#clock.ticks() < run.takenUntil) ? run : undefined
  }

  start(input: NewRun): Run {
    const run: Run = {
      ...input,
      sequence: this.#sequence++,
      createdAt: this.#clock.now(),
      log: [],
      pending: new Set(),
      inFlight: new Set(),
      notes: undefined,
      state: 'RUN_STARTED',
      completedAt: undefined,
      takenUntil: 0,
      response: undefined,
      dlqId: undefined,
      failure: undefined,
      readable: true,
    }
    this.#byId.set(run.id, run)
    this.#all.add(run)
    this.#active.add(run)
    this.#labels.add(run)
    this.#activeLabels.add(run)
    return run
  }

  end(run: Run, state: Exclude<Run['state'], 'RUN_STARTED'>): void {
    run.state = state
    run.completedAt = this.#clock.now()
    run.takenUntil = this.#clock.after(this.#limits.dedupWindowMs)
    this.#active.delete(run)
    this.#activeLabels.delete(run)
    this.#ended.add(run)
    // Dead letters are resumed from their log, and a failure callback is retried with the initial payload.
    if (state !== 'RUN_FAILED') {
      run.config.failureCallback = undefined
      this.#readable.add(run)
      this.#keptBytes += logBytes(run)
    }
    this.#trim()
  }

  /** Forgets a run without a trace. */
  forget(run: Run): void {
    if (this.#byId.get(run.id) === run) this.#byId.delete(run.id)
    for (const set of [this.#all, this.#active, this.#ended]) set.delete(run)
    if (this.#readable.delete(run)) this.#keptBytes -= logBytes(run)
    this.#labels.delete(run)
    this.#activeLabels.delete(run)
  }

  /** Active runs in order of creation. */
  listActive(labels?: readonly string[]): Run[] {
    return labels ? this.#activeLabels.find(labels) : [...this.#active]
  }

  /** All known runs in order of creation. */
  list(labels?: readonly string[]): Run[] {
    return labels ? this.#labels.find(labels) : [...this.#all]
  }

  clear(): void {
    for (const set of [this.#byId, this.#all, this.#active, this.#ended, this.#readable]) set.clear()
    this.#labels.clear()
    this.#activeLabels.clear()
    this.#keptBytes = 0
  }

  #trim(): void {
    for (const run of this.#readable) {
      if (this.#keptBytes <= this.#limits.keptLogBytes) break
      this.#keptBytes -= logBytes(run)
      this.#readable.delete(run)
      run.log.length = 0
      run.notes = undefined
      run.response = undefined
      run.readable = false
    }
    for (const run of this.#ended) {
      if (this.#ended.size <= this.#limits.keptRuns) break
      this.forget(run)
    }
  }
}
