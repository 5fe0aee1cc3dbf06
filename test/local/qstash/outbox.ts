import type { Clock } from './clock.ts'
import type { Flow, Flows } from './flow-control.ts'
import { newId } from './ids.ts'
import type { Delivery, Message } from './message.ts'
import type { Timers } from './timers.ts'

type Parts = { clock: Clock; timers: Timers; flows: Flows; parallelism: number }

/**
 * Every message that is not delivered yet: held until its publisher has answered, delayed, on the wait list of its
 * flow-control key, or in flight.
 */
export class Outbox {
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #flows: Flows
  readonly #parallelism: number
  readonly #deliveries = new Map<string, Delivery>()
  /** Flows that may have a message to start, in turn. */
  readonly #open = new Set<Flow>()
  readonly #readyListeners = new Set<() => void>()
  readonly #changeListeners = new Set<() => void>()
  #held = 0
  #delayed = 0
  #ready = 0
  #changing = false

  constructor(parts: Parts) {
    this.#clock = parts.clock
    this.#timers = parts.timers
    this.#flows = parts.flows
    this.#parallelism = parts.parallelism
  }

  get counts() {
    return { held: this.#held, delayed: this.#delayed, ready: this.#ready, inFlight: this.#deliveries.size }
  }

  get parallelism() {
    return { max: this.#parallelism, count: this.#deliveries.size }
  }

  /** Called when a message may be taken. */
  onReady(listener: () => void): () => void {
    this.#readyListeners.add(listener)
    return () => this.#readyListeners.delete(listener)
  }

  /** Called when the counts have gone down. */
  onChange(listener: () => void): () => void {
    this.#changeListeners.add(listener)
    return () => this.#changeListeners.delete(listener)
  }

  add(message: Message, dueAt: number, publisher?: Delivery): void {
    if (publisher) {
      message.state = 'held'
      this.#held++
      publisher.holds.push({ message, dueAt })
    } else {
      this.#delay(message, dueAt)
    }
  }

  drop(message: Message): void {
    if (message.state === 'held') this.#held--
    if (message.state === 'delayed') this.#delayed--
    if (message.state === 'ready') {
      this.#ready--
      this.#flows.get(message.flowKey).waiting--
    }
    if (message.timer) this.#timers.cancel(message.timer)
    message.timer = undefined
    message.state = 'dropped'
    this.#changed()
  }

  /** Takes the next message that may start now. */
  next(): Delivery | undefined {
    for (const flow of this.#open) {
      if (this.#deliveries.size >= this.#parallelism) return undefined
      const head = this.#head(flow)
      const wait = head ? flow.blockedFor(this.#clock) : Infinity
      this.#open.delete(flow)
      if (head && wait === 0) return this.#start(head, flow)
      if (wait < Infinity) this.#wake(flow, wait)
    }
    return undefined
  }

  delivery(id: string): Delivery | undefined {
    return this.#deliveries.get(id)
  }

  deliveries(): Iterable<Delivery> {
    return this.#deliveries.values()
  }

  /** Ends an attempt: its place in the flow is free, and what it has published may go. */
  finish(delivery: Delivery): void {
    if (!this.#deliveries.delete(delivery.id)) return
    const flow = this.#flows.get(delivery.message.flowKey)
    flow.inFlight--
    delivery.message.run?.inFlight.delete(delivery)
    if (delivery.message.state === 'in-flight') delivery.message.state = 'done'
    for (const { message, dueAt } of delivery.holds) {
      if (message.state !== 'held') continue
      this.#held--
      this.#delay(message, dueAt)
    }
    this.reopen(flow)
    this.#announce()
  }

  /** Looks again at a flow whose limits or state have changed. */
  reopen(flow: Flow): void {
    if (flow.waiting === 0) return
    this.#open.add(flow)
    this.#announce()
  }

  /** Tells the listeners that the counts have gone down. */
  settled(): void {
    this.#changed()
  }

  clear(): void {
    for (const delivery of this.#deliveries.values()) {
      delivery.ignored = true
      delivery.abort.abort()
    }
    this.#deliveries.clear()
    this.#open.clear()
    this.#held = this.#delayed = this.#ready = 0
    this.#changed()
  }

  #delay(message: Message, dueAt: number): void {
    if (dueAt <= this.#clock.ticks()) return this.#enqueue(message)
    message.state = 'delayed'
    this.#delayed++
    message.timer = this.#timers.schedule(dueAt, () => {
      message.timer = undefined
      this.#delayed--
      this.#enqueue(message)
    })
  }

  #enqueue(message: Message): void {
    const flow = this.#flows.get(message.flowKey)
    message.state = 'ready'
    this.#ready++
    flow.waiting++
    flow.waitlist.push(message)
    this.reopen(flow)
  }

  #head(flow: Flow): Message | undefined {
    for (let head = flow.waitlist.peek(); head; head = flow.waitlist.peek()) {
      if (head.state === 'ready') return head
      flow.waitlist.shift()
    }
    return undefined
  }

  #start(message: Message, flow: Flow): Delivery {
    flow.waitlist.shift()
    flow.waiting--
    flow.started(this.#clock)
    this.#ready--
    message.state = 'in-flight'
    const delivery: Delivery = {
      id: newId('dlv'),
      message,
      holds: [],
      abort: new AbortController(),
      ignored: false,
    }
    this.#deliveries.set(delivery.id, delivery)
    message.run?.inFlight.add(delivery)
    // To the end of the set: keys take turns.
    if (flow.waiting > 0) this.#open.add(flow)
    return delivery
  }

  #wake(flow: Flow, wait: number): void {
    if (flow.waking) return
    flow.waking = true
    this.#timers.schedule(this.#clock.ticks() + wait, () => {
      flow.waking = false
      this.reopen(flow)
    })
  }

  #announce(): void {
    for (const listener of this.#readyListeners) listener()
  }

  #changed(): void {
    if (this.#changeListeners.size === 0 || this.#changing) return
    this.#changing = true
    // Between the end of one message and the start of the next the counts may be 0: only their final value matters.
    queueMicrotask(() => {
      this.#changing = false
      for (const listener of this.#changeListeners) listener()
    })
  }
}
