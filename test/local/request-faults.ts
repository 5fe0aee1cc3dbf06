import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import type { FaultSwitch } from './fault-switch.ts'
import { hashOf, numberFrom } from './model/chance.ts'

/** What a rule can say of a request that has an effect. */
export const faultRule = z.strictObject({
  /** Only requests whose subject contains this; what the subject is depends on the service. */
  match: z.string().default(''),
  /** One subject in so many; a subject that is hit once is hit always. */
  every: z.int().min(1).default(1),
  /** At most this many requests in all. */
  times: z.int().min(1).default(Number.MAX_SAFE_INTEGER),
  /** At most this many requests under one idempotency key: with 1, each fails once and then succeeds. */
  timesPerKey: z.int().min(1).default(Number.MAX_SAFE_INTEGER),
  /** Wait before the effect. */
  delayMs: z.int().min(0).max(600_000).default(0),
  /** Answer with this error; unless `acts` or `stored` say otherwise, the request never gets to the service. */
  status: z.int().min(400).max(599).optional(),
  /** The `Retry-After` header of the error. */
  retryAfterSeconds: z.int().min(0).optional(),
  /** The effect happens, and the error comes all the same. Without `status`: 500. */
  acts: z.boolean().default(false),
  /** The service stores the error under the idempotency key, as its own last word. */
  stored: z.boolean().default(false),
  /** Answer with 200, but not with what was asked for. */
  malformed: z.boolean().default(false),
})

export type FaultRule = z.infer<typeof faultRule>

/** What is known of a request when the rules are asked. */
export type FaultyRequest = { subject: string; key: string | undefined }

/** The rules that are switched on; the first one that applies to a request is the one that counts. */
export class RequestFaults<Rule extends FaultRule = FaultRule> {
  #rules: { rule: Rule; used: number; usedByKey: Map<string | undefined, number> }[] = []
  #cleared = new AbortController()
  readonly #schema: z.ZodType<{ rules: Rule[] }>
  readonly #switch: FaultSwitch

  /** @param faultSwitch has the faults that hit any request. */
  constructor(schema: z.ZodType<Rule>, faultSwitch: FaultSwitch) {
    this.#schema = z.looseObject({ rules: z.array(schema).default([]) })
    this.#switch = faultSwitch
  }

  /** Replaces all rules and switches. @throws a ZodError that names what is not valid. */
  set(faults: unknown): object {
    const { rules, ...switches } = this.#schema.parse(faults)
    const set = this.#switch.set(switches)
    this.#rules = rules.map((rule) => ({ rule, used: 0, usedByKey: new Map() }))
    return { ...set, rules }
  }

  /** Also ends the requests that wait, so that none has its effect afterwards. */
  clear(): void {
    this.#rules = []
    this.#switch.clear()
    this.#cleared.abort()
    this.#cleared = new AbortController()
  }

  /** The rule for a request; asking for it uses it up once. */
  take({ subject, key }: FaultyRequest, applies: (rule: Rule) => boolean = () => true): Rule | undefined {
    const found = this.#rules.find(({ rule, used, usedByKey }) => {
      const left = used < rule.times && (usedByKey.get(key) ?? 0) < rule.timesPerKey
      const hit = subject.includes(rule.match) && numberFrom(hashOf(subject), rule.every) === 0
      return left && hit && applies(rule)
    })
    if (!found) return undefined
    found.used += 1
    found.usedByKey.set(key, (found.usedByKey.get(key) ?? 0) + 1)
    return found.rule
  }

  /** Waits as a rule says. @throws AbortError when the rules are cleared meanwhile. */
  async wait(ms: number): Promise<void> {
    if (ms > 0) await sleep(ms, undefined, { signal: this.#cleared.signal })
  }
}
