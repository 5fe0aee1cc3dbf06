/** What a service answers; `kept`: it stands by that answer whenever the request is repeated under its key. */
export type Reply = { status: number; body: object; headers?: Record<string, string>; kept: boolean }

type Known = { request: string; reply: Reply | null }

/** What a service answers when a key is misused. */
type KeyErrors = {
  otherRequest: (key: string, requests: { first: string; now: string }) => Reply
  underWay: (key: string) => Reply
}

/** The idempotency keys of a service. */
export class IdempotencyKeys {
  readonly #known = new Map<string, Known>()
  readonly #errors: KeyErrors

  constructor(errors: KeyErrors) {
    this.#errors = errors
  }

  /**
   * Does a request's work unless the key is known.
   *
   * @param request what must be the same whenever the key is used again.
   */
  async once(key: string | undefined, request: string, work: () => Promise<Reply>): Promise<Reply> {
    if (key === undefined) return await work()
    const known = this.#known.get(key)
    if (known) return this.#answer(key, request, known)
    const entry: Known = { request, reply: null }
    this.#known.set(key, entry)
    try {
      const reply = await work()
      if (reply.kept) entry.reply = reply
      return reply
    } finally {
      if (entry.reply === null && this.#known.get(key) === entry) this.#known.delete(key)
    }
  }

  clear(): void {
    this.#known.clear()
  }

  #answer(key: string, request: string, known: Known): Reply {
    if (known.request !== request)
      return this.#errors.otherRequest(key, { first: known.request, now: request })
    if (known.reply === null) return this.#errors.underWay(key)
    return { ...known.reply, headers: { ...known.reply.headers, 'idempotent-replayed': 'true' } }
  }
}
