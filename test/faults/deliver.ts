import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import type { Lane } from './lane.ts'

const deliverySchema = z.object({
  id: z.string(),
  url: z.string(),
  method: z.string(),
  headers: z.record(z.string(), z.string()),
  body: z.string(),
})
export type Delivery = z.output<typeof deliverySchema>

/**
 * What happens to a delivery. `lost` never arrives; `unanswered` arrives, but its answer does not; `together` arrives twice
 * at once; `again` arrives once more, long after it was answered; `late` comes after others that were due after it;
 * `killed` arrives, and the Worker dies while it works.
 */
export type Fate = 'normal' | 'lost' | 'unanswered' | 'twice' | 'together' | 'again' | 'late' | 'killed'

export type Rules = {
  concurrency: number
  fate: (delivery: Delivery) => Fate
  note: (event: string) => void
  /** Real milliseconds after which QStash takes a delivery for lost, though the Worker goes on with it. */
  patienceMs: () => number
  /** Longest time to move on when nothing is due; what is due later stays. */
  longestSkipMs: number
}

/** Real time after which a delivery has hung for good. */
const patienceMs = 20_000
/** Deliveries of others before one that is late comes. */
const lateness = 5

const label = ({ url, headers }: Delivery): string =>
  `${new URL(url).pathname.split('/').slice(-2).join('/')} ${(headers['upstash-workflow-runid'] ?? '').slice(-6)}`

/** Delivers what QStash has, moving time on when nothing is due, until nothing is left that comes soon enough. */
export class Courier {
  /** Called after each delivery, with how many there were. */
  after: (count: number) => Promise<void> = () => Promise.resolve()
  readonly #lane: Lane
  readonly #rules: Rules
  readonly #repeats: { delivery: Delivery; at: number }[] = []
  #count = 0
  /** The latest move of time, each of which is another promise. */
  #skip: Promise<void> = Promise.resolve()
  #deaths = 0
  #reviving: Promise<void> | undefined

  constructor(lane: Lane, rules: Rules) {
    this.#lane = lane
    this.#rules = rules
  }

  get count(): number {
    return this.#count
  }

  get deaths(): number {
    return this.#deaths
  }

  async run(): Promise<void> {
    await Promise.all(Array.from({ length: this.#rules.concurrency }, () => this.#work()))
  }

  async #work(): Promise<void> {
    for (;;) {
      const skip = this.#skip
      // Until it has moved, the same is due as before, and would have it moved twice.
      await skip
      const next = await this.#next()
      if ('delivery' in next) await this.#handle(next.delivery)
      else if (next.isBusy) continue
      else if (skip === this.#skip && !(await this.#goOn(next.dueInMs))) return
    }
  }

  async #next(): Promise<{ delivery: Delivery } | { dueInMs: number | null; isBusy: boolean }> {
    const response = await this.#call('/local/deliveries/next?waitMs=1000')
    if (response.status === 204) {
      const due = response.headers.get('local-next-due-ms')
      const isBusy = response.headers.get('local-in-flight') !== '0'
      return { dueInMs: due === null ? null : Number(due), isBusy }
    }
    return { delivery: deliverySchema.parse(await response.json()) }
  }

  /** Nothing is due: moves time on to what is next. False: nothing is, or not soon. */
  async #goOn(dueInMs: number | null): Promise<boolean> {
    const repeat = this.#repeats.shift()
    if (repeat !== undefined) {
      await this.#send(repeat.delivery).catch(() => undefined)
      return true
    }
    if (dueInMs === null || dueInMs > this.#rules.longestSkipMs) return false
    this.#skip = this.#lane.advance(Math.max(1, dueInMs))
    await this.#skip
    return true
  }

  async #handle(delivery: Delivery): Promise<void> {
    const fate = this.#rules.fate(delivery)
    if (fate !== 'normal') this.#rules.note(`${label(delivery)} is ${fate}`)
    if (fate === 'late') await this.#delay()
    let answer: object
    try {
      const delivering = this.#deliver(delivery, fate)
      delivering.catch(() => undefined)
      answer = await Promise.race([delivering, this.#impatience(delivery)])
    } catch (error) {
      answer = { error: error instanceof Error ? error.message : String(error) }
    }
    await this.#call(`/local/deliveries/${delivery.id}`, answer)
    this.#count += 1
    await this.after(this.#count)
    const repeat = this.#repeats.findIndex(({ at }) => at <= this.#count)
    if (repeat >= 0) {
      const [due] = this.#repeats.splice(repeat, 1)
      if (due !== undefined) await this.#send(due.delivery).catch(() => undefined)
    }
  }

  async #deliver(delivery: Delivery, fate: Fate): Promise<object> {
    switch (fate) {
      case 'lost':
        throw new Error('connection refused')
      case 'unanswered':
        await this.#send(delivery)
        throw new Error('connection reset')
      case 'twice':
        await this.#send(delivery)
        return await this.#send(delivery)
      case 'together': {
        const [answer] = await Promise.all([
          this.#send(delivery),
          this.#send(delivery).catch(() => undefined),
        ])
        return answer
      }
      case 'again':
        this.#repeats.push({ delivery, at: this.#count + 20 })
        return await this.#send(delivery)
      case 'killed': {
        const sent = this.#send(delivery)
        const [answer] = await Promise.all([sent, sleep(this.#deaths % 7).then(() => this.die())])
        return answer
      }
      case 'late':
      case 'normal':
        return await this.#send(delivery)
    }
  }

  async #impatience(delivery: Delivery): Promise<never> {
    await sleep(this.#rules.patienceMs(), undefined, { ref: false })
    this.#rules.note(`${label(delivery)} is taken for lost`)
    throw new Error('no answer in time')
  }

  async #delay(): Promise<void> {
    const until = this.#count + lateness
    for (let waited = 0; this.#count < until && waited < 100; waited += 1) await sleep(1)
  }

  /** The Worker is killed with whatever it does, and started again. */
  async die(): Promise<void> {
    this.#deaths += 1
    await this.revive()
  }

  /** Kills the Worker, and starts it again, or `another` build. */
  async revive(another?: string): Promise<void> {
    this.#reviving ??= this.#lane.restart(another).finally(() => {
      this.#reviving = undefined
    })
    await this.#reviving
  }

  async #send({ url, method, headers, body }: Delivery) {
    await this.#reviving
    const response = await this.#lane.fetch(url, {
      method,
      headers,
      body: method === 'GET' || method === 'HEAD' ? null : body,
      signal: AbortSignal.timeout(patienceMs),
    })
    return {
      status: response.status,
      headers: Object.fromEntries(response.headers),
      body: await response.text(),
    }
  }

  async #call(path: string, body?: object): Promise<Response> {
    const { url, token, fetch } = this.#lane.qstash
    return await fetch(
      new Request(url + path, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
        body: body === undefined ? null : JSON.stringify(body),
      }),
    )
  }
}
