import { z } from 'zod'
import { priced, type Answer } from './answer.ts'
import { numberFrom } from './chance.ts'
import type { ChatRequest } from './chat-request.ts'

const ruleSchema = z.strictObject({
  /** Only prompts that contain this. */
  match: z.string().optional(),
  /** One prompt in so many; a prompt that is hit once is hit always. */
  every: z.int().min(1).default(1),
  /** This share of the requests that are left, evenly spread; a prompt that is asked again may have better luck. */
  share: z.number().min(0).max(1).default(1),
  /** At most this many requests in all. */
  times: z.int().min(1).default(Number.MAX_SAFE_INTEGER),
  /** At most this many requests of one prompt: with 1, each fails once and then succeeds. */
  timesPerPrompt: z.int().min(1).default(Number.MAX_SAFE_INTEGER),
  /** Wait before the answer. */
  delayMs: z.int().min(0).max(600_000).default(0),
  /** Answer with this error instead. */
  status: z.int().min(400).max(599).optional(),
  /** What the error says. */
  message: z.string().default('The request failed (local fault).'),
  /** The `Retry-After` header of the error. */
  retryAfterSeconds: z.int().min(0).optional(),
  /** Answer with 200, but not with what was asked for. */
  malformed: z.enum(['not-json', 'wrong-shape', 'empty', 'truncated']).optional(),
  /** Answer with 200 and just this. */
  content: z.string().optional(),
})

const faultsSchema = z.strictObject({ rules: z.array(ruleSchema).default([]) })

/** What a test can switch on; the first rule that applies to a request is the one that counts. */
export type Rule = z.infer<typeof ruleSchema>

/** The rules that are switched on, and how often each was used. */
export class FaultRules {
  #rules: { rule: Rule; seen: number; used: number; usedByPrompt: Map<string, number> }[] = []

  /** Replaces all rules. @throws a ZodError that names what is not valid. */
  set(faults: unknown): Rule[] {
    const { rules } = faultsSchema.parse(faults)
    this.#rules = rules.map((rule) => ({ rule, seen: 0, used: 0, usedByPrompt: new Map() }))
    return rules
  }

  clear(): void {
    this.#rules = []
  }

  /** The rule for a request; asking for it uses it up once. */
  take(prompt: string, hash: string): Rule | undefined {
    const found = this.#rules.find((candidate) => {
      const { rule, used, usedByPrompt } = candidate
      const left = used < rule.times && (usedByPrompt.get(hash) ?? 0) < rule.timesPerPrompt
      if (!left || !prompt.includes(rule.match ?? '') || numberFrom(hash, rule.every) !== 0) return false
      candidate.seen += 1
      return Math.floor(candidate.seen * rule.share) > Math.floor((candidate.seen - 1) * rule.share)
    })
    if (!found) return undefined
    found.used += 1
    found.usedByPrompt.set(hash, (found.usedByPrompt.get(hash) ?? 0) + 1)
    return found.rule
  }
}

/** Puts something else in the place of an answer, where the rule says so. */
export function spoil(request: ChatRequest, answer: Answer, { malformed, content }: Rule): Answer {
  if (content !== undefined) return priced(request, content, 'stop')
  return malformed === undefined ? answer : misshapen(request, answer, malformed)
}

/** Spoils an answer in one of the ways in which models do. */
function misshapen(request: ChatRequest, answer: Answer, how: NonNullable<Rule['malformed']>): Answer {
  const content = {
    'not-json': 'I am sorry, but I cannot help with that.',
    'wrong-shape': JSON.stringify({ unexpected: true }),
    empty: '',
    truncated: answer.content.slice(0, Math.floor(answer.content.length / 2)),
  }[how]
  return priced(request, content, how === 'truncated' ? 'length' : 'stop')
}
