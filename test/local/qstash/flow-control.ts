import type { Clock } from './clock.ts'
import { Fifo } from './fifo.ts'
import type { FlowLimits } from './flow-limits.ts'
import type { Message } from './message.ts'

/** The messages and limits of one flow-control key. */
export class Flow {
  readonly key: string
  readonly waitlist = new Fifo<Message>()
  /** Messages of the wait list that still count; dropped ones are only skipped later. */
  waiting = 0
  inFlight = 0
  peak = 0
  paused = false
  /** A timer is set for the end of the rate period. */
  waking = false
  #latest: FlowLimits = { periodMs: 1000 }
  #pinnedParallelism: number | undefined
  #pinnedRate: { rate: number; periodMs: number } | undefined
  #periodStart: number
  #started = 0

  constructor(key: string, now: number) {
    this.key = key
    this.#periodStart = now
  }

  /** The newest message's limits replace the earlier ones; pinned limits stay in force. */
  use(limits: FlowLimits): void {
    this.#latest = limits
  }

  pin(limits: FlowLimits): void {
    if (limits.parallelism !== undefined) this.#pinnedParallelism = limits.parallelism
    if (limits.rate !== undefined) this.#pinnedRate = { rate: limits.rate, periodMs: limits.periodMs }
  }

  unpin(what: { parallelism: boolean; rate: boolean }): void {
    if (what.parallelism) this.#pinnedParallelism = undefined
    if (what.rate) this.#pinnedRate = undefined
  }

  resetRate(ticks: number): void {
    this.#periodStart = ticks
    this.#started = 0
  }

  /** Milliseconds until a delivery may start: 0 is now, Infinity is not before something else happens. */
  blockedFor(clock: Clock): number {
    if (this.paused || this.inFlight >= (this.limits().parallelism ?? Infinity)) return Infinity
    const { rate, periodMs } = this.limits()
    if (rate === undefined) return 0
    const end = this.#periodStart + clock.scaled(periodMs)
    return this.#started < rate || clock.ticks() >= end ? 0 : end - clock.ticks()
  }

  started(clock: Clock): void {
    this.inFlight++
    this.peak = Math.max(this.peak, this.inFlight)
    const { rate, periodMs } = this.limits()
    // Starts without a rate do not count against a rate that is set later.
    if (rate === undefined) return this.resetRate(clock.ticks())
    if (clock.ticks() >= this.#periodStart + clock.scaled(periodMs)) this.resetRate(clock.ticks())
    this.#started++
  }

  limits(): FlowLimits {
    const parallelism = this.#pinnedParallelism ?? this.#latest.parallelism
    const { rate, periodMs } = this.#pinnedRate ?? this.#latest
    return {
      ...(parallelism !== undefined && { parallelism }),
      ...(rate !== undefined && { rate }),
      periodMs,
    }
  }

  /** As `GET /v2/flowControl/<key>` shows it. */
  info() {
    const { parallelism, rate, periodMs } = this.limits()
    return {
      flowControlKey: this.key,
      waitListSize: this.waiting,
      parallelismMax: parallelism ?? 0,
      parallelismCount: this.inFlight,
      rateMax: rate ?? 0,
      rateCount: this.#started,
      ratePeriod: periodMs / 1000,
      ratePeriodStart: Math.floor(this.#periodStart / 1000),
      isPaused: this.paused,
      isPinnedParallelism: this.#pinnedParallelism !== undefined,
      isPinnedRate: this.#pinnedRate !== undefined,
    }
  }
}

/** The flow-control keys. Messages without one share the key ''. */
export class Flows {
  readonly #clock: Clock
  readonly #flows = new Map<string, Flow>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get(key: string): Flow {
    let flow = this.#flows.get(key)
    if (!flow) {
      flow = new Flow(key, this.#clock.ticks())
      this.#flows.set(key, flow)
    }
    return flow
  }

  find(key: string): Flow | undefined {
    return this.#flows.get(key)
  }

  /** The flows that have a key. */
  list(): Flow[] {
    return [...this.#flows.values()].filter((flow) => flow.key !== '')
  }

  clear(): void {
    this.#flows.clear()
  }
}
