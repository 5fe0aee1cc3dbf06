/**
 * The only source of time. `now` is the wall clock that callers see; `ticks` is the timeline on which things fall
 * due: real milliseconds, so a delay is multiplied by the scale when it is put there.
 */
export class Clock {
  readonly #scale: number
  readonly #listeners = new Set<() => void>()
  #offset = 0

  constructor(scale: number) {
    this.#scale = scale
  }

  now(): number {
    return Date.now() + this.#offset
  }

  ticks(): number {
    return Date.now() + this.#offset * this.#scale
  }

  /** The tick that is `ms` of clock time away. */
  after(ms: number): number {
    return this.ticks() + this.scaled(ms)
  }

  /** The tick of a wall clock time; now, when it has passed. */
  until(epochMs: number): number {
    return this.after(Math.max(0, epochMs - this.now()))
  }

  scaled(ms: number): number {
    return ms * this.#scale
  }

  advance(ms: number): void {
    this.#offset += ms
    for (const listener of this.#listeners) listener()
  }

  onAdvance(listener: () => void): void {
    this.#listeners.add(listener)
  }
}
