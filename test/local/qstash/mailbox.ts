import type { Message } from './message.ts'

/** What has happened to a message. */
export type MessageState = 'CREATED' | 'RETRY' | 'DELIVERED' | 'FAILED' | 'CANCELED'

/** One line of the message log. */
export type MessageEvent = {
  time: number
  state: MessageState
  messageId: string
  url: string
  label?: string
  labels?: readonly string[]
  error?: string
  sequence: number
}

const KEPT_EVENTS = 10_000

/** The plain messages: those that are not delivered yet, and what has happened to the latest ones. */
export class Mailbox {
  readonly #pending = new Map<string, Message>()
  #events: MessageEvent[] = []
  #sequence = 0

  add(message: Message, time: number): void {
    this.#pending.set(message.id, message)
    this.note(message, 'CREATED', time)
  }

  /** Logs an event; the last ones of a message end its stay. */
  note(message: Message, state: MessageState, time: number, error?: string): void {
    const { id: messageId, url, labels } = message
    this.#events.push({
      time,
      state,
      messageId,
      url,
      ...(labels.length > 0 && { label: labels[0] ?? '', labels }),
      ...(error !== undefined && { error }),
      sequence: this.#sequence++,
    })
    if (this.#events.length > 2 * KEPT_EVENTS) this.#events = this.#events.slice(-KEPT_EVENTS)
    if (state === 'DELIVERED' || state === 'FAILED' || state === 'CANCELED') this.#pending.delete(messageId)
  }

  get(messageId: string): Message | undefined {
    return this.#pending.get(messageId)
  }

  pending(): Message[] {
    return [...this.#pending.values()]
  }

  /** The latest events, newest first. */
  events(): MessageEvent[] {
    return this.#events.slice(-KEPT_EVENTS).toReversed()
  }

  clear(): void {
    this.#pending.clear()
    this.#events = []
  }
}
