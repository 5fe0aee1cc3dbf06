import type { MiddlewareHandler } from 'hono'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'

const faultsSchema = z.strictObject({
  /** Refuse this many requests before they do anything. */
  failNext: z.int().min(0).default(0),
  /** Do the work of this many requests, then lose their answers. */
  loseNext: z.int().min(0).default(0),
  /** Wait before every request. */
  delayMs: z.int().min(0).max(60_000).default(0),
  /** Refuse every request until switched off. */
  down: z.boolean().default(false),
})

/** What a test can switch on with `POST /local/faults`; a new setting replaces the one before. */
export type Faults = z.infer<typeof faultsSchema>

/** The error body of the service that is imitated. */
type RenderError = (message: string) => object

const refused = (error: RenderError, status: number, message: string): Response =>
  Response.json(error(message), { status })

/** A fault switch: middleware for the service's own routes, and the means to set and clear it. */
export class FaultSwitch {
  #faults: Faults = faultsSchema.parse({})
  readonly #error: RenderError

  constructor(error: RenderError) {
    this.#error = error
  }

  /** @throws a ZodError that names the setting which is not valid. */
  set(faults: unknown): Faults {
    this.#faults = faultsSchema.parse(faults)
    return this.#faults
  }

  clear(): void {
    this.#faults = faultsSchema.parse({})
  }

  readonly middleware: MiddlewareHandler = async (c, next) => {
    const faults = this.#faults
    if (faults.delayMs > 0) await sleep(faults.delayMs)
    if (faults.down) return refused(this.#error, 503, 'the service is down (local fault)')
    if (faults.failNext > 0) {
      faults.failNext -= 1
      return refused(this.#error, 500, 'the request failed (local fault)')
    }
    const lost = faults.loseNext > 0
    if (lost) faults.loseNext -= 1
    await next()
    if (lost) c.res = refused(this.#error, 500, 'the answer was lost (local fault)')
    return undefined
  }
}
