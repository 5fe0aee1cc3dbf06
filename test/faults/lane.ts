import type { Pool } from 'pg'
import { isolatedEnv } from '../local/fresh-database.ts'
import { adminToken, startLocalStack, type LocalStack } from '../local/stack.ts'
import type { LocalQstash } from '../local/qstash/index.ts'
import { freePort } from '../local/worker.ts'
import { installClock, withMovedTime } from './clock.ts'
import { startGateway, type Listener } from './gateway.ts'
import { startWorkerd, type Workerd } from '../support/workerd.ts'

/** Nothing goes wrong, and nobody listens. */
export const calm: Listener = {
  before: () => Promise.resolve(),
  decide: () => 'passed',
  seen: () => undefined,
  thaw: () => Promise.resolve(),
}

/**
 * A Worker and its services, in a world whose time moves when nothing is left to do. Seeds follow each other in it, one
 * at a time.
 */
export class Lane {
  readonly url: string
  readonly qstash: LocalQstash
  readonly stack: LocalStack
  readonly db: Pool
  /** The seed at work. */
  listener: Listener = calm
  #shiftMs = 0
  #moved: Promise<void> = Promise.resolve()
  #worker: Workerd | undefined
  #starting: Promise<void> | undefined
  #code = ''
  readonly #port: number
  readonly #bindings: Record<string, string>
  readonly #move: (shiftMs: number) => Promise<void>
  readonly #close: AsyncDisposableStack

  private constructor(parts: {
    stack: LocalStack
    port: number
    bindings: Record<string, string>
    db: Pool
    move: (shiftMs: number) => Promise<void>
    close: AsyncDisposableStack
  }) {
    const { stack, port } = parts
    this.qstash = stack.qstash
    this.stack = stack
    this.db = parts.db
    this.url = `http://127.0.0.1:${port}`
    this.#port = port
    this.#bindings = parts.bindings
    this.#move = parts.move
    this.#close = parts.close
  }

  /** @param number which database of a real Redis is this lane's. */
  static async open(number: number): Promise<Lane> {
    const close = new AsyncDisposableStack()
    const { env, drop } = await isolatedEnv(process.env, number)
    close.defer(drop)
    const port = await freePort()
    const appUrl = `http://127.0.0.1:${port}`
    const stack = await startLocalStack(
      { appUrl, qstash: { mode: 'pull', sharedClock: true }, flowControlFactor: 1000 },
      env,
    )
    close.defer(() => stack.close())
    const clock = await installClock(stack.neon.postgresUrl)
    close.defer(clock.close)
    const { neon, redis, model, mail, payments, qstash } = stack
    const held: { lane?: Lane } = {}
    const gateway = await startGateway({
      targets: { neon, redis, model, mail, payments, qstash },
      listener: () => held.lane?.listener ?? calm,
      rewrite: ({ service, body }) => (service === 'neon' ? withMovedTime(body) : body),
    })
    close.defer(gateway.close)
    const bindings = {
      ...stack.bindings,
      DATABASE_HTTP_URL: `${gateway.urlOf('neon')}/sql`,
      UPSTASH_REDIS_REST_URL: gateway.urlOf('redis'),
      AI_BASE_URL: `${gateway.urlOf('model')}/v1`,
      MAIL_URL: gateway.urlOf('mail'),
      PAYMENTS_URL: gateway.urlOf('payments'),
      QSTASH_URL: gateway.urlOf('qstash'),
    }
    const lane = new Lane({ stack, port, bindings, db: clock.client, move: clock.move, close })
    held.lane = lane
    close.defer(() => lane.kill())
    return lane
  }

  /** Puts a build in place of the one that runs, unless it does. */
  async deploy(code: string): Promise<void> {
    if (this.#code !== code) await this.restart(code)
  }

  async kill(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    await worker?.kill()
  }

  /** Kills the Worker, and starts it again, or another build. */
  async restart(code = this.#code): Promise<void> {
    this.#starting ??= this.#restart(code).finally(() => {
      this.#starting = undefined
    })
    await this.#starting
  }

  async #restart(code: string): Promise<void> {
    await this.kill()
    this.#code = code
    this.#worker = await startWorkerd({ code: this.#code, port: this.#port, bindings: this.#bindings })
  }

  output = (): string => this.#worker?.output() ?? ''

  /** The time in this world, in milliseconds since 1970. */
  now = (): number => Date.now() + this.#shiftMs

  /** Moves time on: everybody's, and one move after the other. */
  async advance(ms: number): Promise<void> {
    const move = async () => {
      this.#shiftMs += ms
      await this.#move(this.#shiftMs)
      this.qstash.advance(ms)
    }
    this.#moved = this.#moved.then(move)
    await this.#moved
  }

  /** A request to the Worker, which may be dead. */
  async fetch(url: string, init: RequestInit = {}): Promise<Response> {
    await this.#starting
    const headers = new Headers(init.headers)
    headers.set('faults-shift-ms', String(this.#shiftMs))
    return await fetch(url, { ...init, headers, redirect: 'manual' })
  }

  /** A request of an operator; null when it got no answer. */
  async ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    try {
      const response = await this.fetch(`${this.url}/api/admin${path}`, {
        method,
        headers: { authorization: `Bearer ${adminToken}`, ...headers },
        body: body === undefined ? null : JSON.stringify(body),
      })
      const answer: unknown = await response.json()
      return { status: response.status, body: answer }
    } catch {
      return null
    }
  }

  async tick(cron: string): Promise<void> {
    await this.fetch(`${this.url}/`, { headers: { 'faults-cron': cron } }).then(
      (response) => response.arrayBuffer(),
      () => undefined,
    )
  }

  close = (): Promise<void> => this.#close.disposeAsync()
}
