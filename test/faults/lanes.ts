import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { z } from 'zod'
import type { Order } from './lane-process.ts'
import type { SeedResult } from './run-seed.ts'

const reportSchema = z.discriminatedUnion('ready', [
  z.object({ ready: z.literal(true) }),
  z.object({
    ready: z.literal(false),
    seed: z.int(),
    workflow: z.string(),
    violations: z.array(z.string()),
    trace: z.array(z.string()),
    deliveries: z.int(),
    deaths: z.int(),
    ms: z.number(),
  }),
])

/** Lanes in processes of their own, each of which runs one seed at a time. */
export class Lanes {
  readonly #free: ChildProcess[]
  readonly #all: readonly ChildProcess[]

  private constructor(all: ChildProcess[]) {
    this.#all = all
    this.#free = [...all]
  }

  static async open(count: number): Promise<Lanes> {
    const program = join(import.meta.dirname, 'lane-process.ts')
    // The first numbers of a real Redis's databases belong to tests.
    const all = Array.from({ length: count }, (_, lane) => fork(program, [String(lane + 8)]))
    await Promise.all(all.map((child) => reportOf(child)))
    return new Lanes(all)
  }

  /** Runs what is ordered, as lanes come free. @param stop is asked after each; true: nothing more is begun. */
  async run(orders: Iterable<Order>, seen: (result: SeedResult, order: Order) => boolean): Promise<void> {
    let stopped = false
    const waiting = orders[Symbol.iterator]()
    const work = async (child: ChildProcess) => {
      for (let next = waiting.next(); next.done !== true && !stopped; next = waiting.next()) {
        child.send(next.value)
        const report = await reportOf(child)
        if (!report.ready) stopped = seen(report, next.value) || stopped
      }
    }
    await Promise.all(this.#free.map(work))
  }

  async close(): Promise<void> {
    await Promise.all(
      this.#all.map(async (child) => {
        const exited = once(child, 'exit')
        child.disconnect()
        await exited
      }),
    )
  }
}

async function reportOf(child: ChildProcess) {
  const over = new AbortController()
  const died = once(child, 'exit', { signal: over.signal }).then(() => {
    throw new Error('a lane has died')
  })
  died.catch(() => undefined)
  const [report] = await Promise.race([once(child, 'message', { signal: over.signal }), died])
  over.abort()
  return reportSchema.parse(report)
}
