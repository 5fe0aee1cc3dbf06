import type { HeaderLists, HeaderMap } from './headers.ts'
import type { Run, StepInfo } from './run.ts'
import type { Timer } from './timers.ts'

/** A step that waits for an event. */
export type Waiter = {
  readonly eventId: string
  readonly run: Run
  readonly url: string
  readonly step: StepInfo & Record<string, unknown>
  readonly headers: HeaderMap
  readonly timeoutHeaders: HeaderLists
  /** Wall clock time of the timeout, in milliseconds. */
  readonly deadline: number
  timer: Timer | undefined
}

/** Who waits for which event, and the notifications that came before the wait. */
export class Events {
  readonly #byEvent = new Map<string, Set<Waiter>>()
  readonly #byRun = new Map<Run, Set<Waiter>>()
  readonly #stored = new Map<string, Map<string, string[]>>()
  #waiting = 0

  get waiting(): number {
    return this.#waiting
  }

  add(waiter: Waiter): void {
    this.#waiting++
    const ofEvent = this.#byEvent.get(waiter.eventId)
    if (ofEvent) ofEvent.add(waiter)
    else this.#byEvent.set(waiter.eventId, new Set([waiter]))
    const ofRun = this.#byRun.get(waiter.run)
    if (ofRun) ofRun.add(waiter)
    else this.#byRun.set(waiter.run, new Set([waiter]))
  }

  /** False when it was gone already. */
  remove(waiter: Waiter): boolean {
    const ofEvent = this.#byEvent.get(waiter.eventId)
    if (!ofEvent?.delete(waiter)) return false
    this.#waiting--
    if (ofEvent.size === 0) this.#byEvent.delete(waiter.eventId)
    const ofRun = this.#byRun.get(waiter.run)
    ofRun?.delete(waiter)
    if (ofRun?.size === 0) this.#byRun.delete(waiter.run)
    return true
  }

  waiters(eventId: string): Waiter[] {
    return [...(this.#byEvent.get(eventId) ?? [])]
  }

  waitersOf(run: Run): Waiter[] {
    return [...(this.#byRun.get(run) ?? [])]
  }

  /** Keeps a notification until that run waits for the event. */
  store(runId: string, eventId: string, body: string): void {
    let ofRun = this.#stored.get(runId)
    if (!ofRun) this.#stored.set(runId, (ofRun = new Map()))
    const bodies = ofRun.get(eventId)
    if (bodies) bodies.push(body)
    else ofRun.set(eventId, [body])
  }

  /** The oldest kept notification, which is used up by this. */
  take(runId: string, eventId: string): string | undefined {
    return this.#stored.get(runId)?.get(eventId)?.shift()
  }

  forgetStored(runId: string): void {
    this.#stored.delete(runId)
  }

  clear(): void {
    this.#byEvent.clear()
    this.#byRun.clear()
    this.#stored.clear()
    this.#waiting = 0
  }
}
