import type { Clock } from './clock.ts'

/** Something that falls due at a tick; `run` is gone once it has run or was cancelled. */
export type Timer = { at: number; order: number; run: (() => void) | undefined }

const LONGEST_TIMEOUT = 2 ** 31 - 1

const isBefore = (a: Timer, b: Timer) => a.at < b.at || (a.at === b.at && a.order < b.order)

/** Everything that falls due later, in one heap behind one system timer. */
export class Timers {
  readonly #clock: Clock
  #heap: Timer[] = []
  #cancelled = 0
  #order = 0
  #armed: { at: number; handle: NodeJS.Timeout } | undefined

  constructor(clock: Clock) {
    this.#clock = clock
    clock.onAdvance(() => this.fire())
  }

  schedule(at: number, run: () => void): Timer {
    const timer: Timer = { at, order: this.#order++, run }
    this.#heap.push(timer)
    this.#rise(this.#heap.length - 1)
    this.#arm()
    return timer
  }

  cancel(timer: Timer): void {
    if (!timer.run) return
    timer.run = undefined
    this.#cancelled++
    if (this.#cancelled > 1000 && this.#cancelled > this.#heap.length / 2) this.#compact()
  }

  /** The tick of the next timer. */
  nextAt(): number | undefined {
    while (this.#heap[0] && !this.#heap[0].run) this.#pop()
    return this.#heap[0]?.at
  }

  /** Runs what is due. */
  fire(): void {
    for (let at = this.nextAt(); at !== undefined && at <= this.#clock.ticks(); at = this.nextAt()) {
      const run = this.#heap[0]?.run
      this.#pop()
      run?.()
    }
    // The clock may have been moved, so that the system timer set for the same tick would be late.
    this.#disarm()
    this.#arm()
  }

  clear(): void {
    for (const timer of this.#heap) timer.run = undefined
    this.#heap = []
    this.#cancelled = 0
    this.#disarm()
  }

  #arm(): void {
    const at = this.nextAt()
    if (at === undefined) return this.#disarm()
    if (this.#armed?.at === at) return
    this.#disarm()
    const wait = Math.min(LONGEST_TIMEOUT, Math.max(0, Math.ceil(at - this.#clock.ticks())))
    const handle = setTimeout(() => {
      this.#armed = undefined
      this.fire()
    }, wait)
    this.#armed = { at, handle }
  }

  #disarm(): void {
    if (this.#armed) clearTimeout(this.#armed.handle)
    this.#armed = undefined
  }

  #pop(): void {
    const top = this.#heap[0]
    const last = this.#heap.pop()
    if (!top || !last) return
    if (!top.run) this.#cancelled--
    // A timer that has left the heap must not be counted by a later cancel.
    top.run = undefined
    if (last === top) return
    this.#heap[0] = last
    this.#sink(0)
  }

  #compact(): void {
    this.#heap = this.#heap.filter((timer) => timer.run)
    this.#cancelled = 0
    for (let index = this.#heap.length >> 1; index >= 0; index--) this.#sink(index)
  }

  #rise(index: number): void {
    for (let child = index; child > 0;) {
      const parent = (child - 1) >> 1
      if (!this.#swapIfBefore(child, parent)) return
      child = parent
    }
  }

  #sink(index: number): void {
    for (let parent = index; ;) {
      const left = 2 * parent + 1
      const right = left + 1
      const a = this.#heap[left]
      const b = this.#heap[right]
      if (!a) return
      const child = b && isBefore(b, a) ? right : left
      if (!this.#swapIfBefore(child, parent)) return
      parent = child
    }
  }

  #swapIfBefore(child: number, parent: number): boolean {
    const a = this.#heap[child]
    const b = this.#heap[parent]
    if (!a || !b || !isBefore(a, b)) return false
    this.#heap[child] = b
    this.#heap[parent] = a
    return true
  }
}
