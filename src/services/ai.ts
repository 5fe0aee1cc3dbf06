import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { APICallError, generateText, NoObjectGeneratedError, Output, type LanguageModelUsage } from 'ai'
import { z } from 'zod'
import type { Env } from '../env.ts'
import { PermanentError, RetryLaterError } from '../errors.ts'
import type { Ai, CallAi, CallAnswer, Usage } from '../workflows/contract.ts'
import { inBrackets } from './ask.ts'
import { defaultRetrySeconds, retryAfter } from './retry-after.ts'

/** An `Ai` that adds up what it uses. */
export type MeteredAi = Ai & { used(): Usage & { model: string | null } }

/** Answers that say the request itself is wrong: sending it again cannot help. */
const permanentStatuses = new Set([400, 413, 422])

/** Brings a request to the model. */
type Carrier = typeof fetch

/** What a model was asked. */
export type ModelRequest = { instructions: string; prompt: string }

/**
 * Makes a metered model client for one item's work; it stops when `signal` aborts.
 *
 * @param onRequest is told of every request before it is made. What it says belongs in no log.
 */
export type CreateAi = (signal: AbortSignal, onRequest?: (request: ModelRequest) => void) => MeteredAi

export function createAi(env: Env, carrier: Carrier = fetch): CreateAi {
  const model = createOpenAICompatible({
    name: 'model',
    baseURL: env.AI_BASE_URL,
    apiKey: env.AI_API_KEY,
    supportsStructuredOutputs: env.AI_RESPONSE_FORMAT === 'json_schema',
    fetch: carrier,
  })(env.AI_MODEL)

  return (signal, onRequest) => {
    const used = { inputTokens: 0, outputTokens: 0, model: null as string | null }
    const meter = (usage: LanguageModelUsage | undefined) => {
      used.inputTokens = added(used.inputTokens, usage?.inputTokens)
      used.outputTokens = added(used.outputTokens, usage?.outputTokens)
      used.model = env.AI_MODEL
    }
    return {
      used: () => ({ ...used }),
      async object({ schema, instructions, prompt, maxOutputTokens = 1000 }) {
        onRequest?.({ instructions, prompt })
        try {
          const { output, usage } = await generateText({
            model,
            output: Output.object({ schema }),
            instructions,
            prompt,
            maxOutputTokens,
            maxRetries: 0,
            abortSignal: signal,
          })
          meter(usage)
          return schema.parse(output)
        } catch (error) {
          if (NoObjectGeneratedError.isInstance(error)) meter(error.usage)
          throw withoutAnswer(error)
        }
      },
    }
  }
}

/** Bound on reading an answer that is there already. */
const readingMs = 10_000

/** Makes the requests that QStash is to bring to the model, and reads what it brings back. */
export const createCallAi = (env: Env): CallAi => ({
  async object(wish) {
    const signal = AbortSignal.timeout(readingMs)
    const sent: { url: string; headers: Record<string, string>; body: string }[] = []
    const noting: Carrier = (input, init) => {
      const headers = Object.fromEntries(new Headers(init?.headers))
      sent.push({
        url: input instanceof Request ? input.url : String(input),
        headers,
        body: z.string().parse(init?.body),
      })
      return Promise.reject(new TypeError('the request is only noted'))
    }
    await createAi(
      env,
      noting,
    )(signal)
      .object(wish)
      .catch(() => undefined)
    const [request] = sent
    if (request === undefined) throw new Error('the request to the model could not be made')
    return {
      ...request,
      method: 'POST',
      safe: true,
      read: (answer) => reading(env, answer).object(wish),
      async usage(answer) {
        const ai = reading(env, answer)
        await ai.object(wish).catch(() => undefined)
        return ai.used()
      },
    }
  },
})

/** A model that gives the one answer that was brought. */
function reading(env: Env, { status, headers, body }: CallAnswer): MeteredAi {
  const brought = () => Promise.resolve(new Response(body, { status, headers: headersOf(headers) }))
  return createAi(env, brought)(AbortSignal.timeout(readingMs))
}

/** Without those that speak of how the body was carried. */
function headersOf(headers: Record<string, string[]>): Headers {
  const kept = new Headers()
  for (const [name, values] of Object.entries(headers)) {
    if (!/^content-(length|encoding)$|^transfer-encoding$/i.test(name)) kept.set(name, values.join(', '))
  }
  return kept
}

/** Most tokens that a try may be counted with. */
const maxTokens = 1_000_000_000

/** A gateway may report anything. */
const added = (tokens: number, more: number | undefined): number =>
  Math.min(maxTokens, tokens + Math.max(0, Math.ceil(more ?? 0) || 0))

const refusalSchema = z.object({
  error: z.object({ type: z.string().nullish().catch(null), code: z.string().nullish().catch(null) }),
})

/** What a call came to; not what its provider says, which may quote the prompt or the key. */
function answered({ statusCode, data }: APICallError): string {
  if (statusCode === undefined) return 'the model could not be reached'
  if (statusCode < 300) return 'the model answered what nobody understands'
  const { type, code } = refusalSchema.safeParse(data).data?.error ?? {}
  return `the model answered ${statusCode}${inBrackets([type, code])}`
}

/** The error to report; what the model wrote belongs in no log. */
function withoutAnswer(error: unknown): unknown {
  if (APICallError.isInstance(error)) {
    const { statusCode } = error
    const message = answered(error)
    const name = `Model${statusCode ?? 'Silent'}`
    if (statusCode !== undefined && permanentStatuses.has(statusCode)) {
      return Object.assign(new PermanentError(message), { name })
    }
    const seconds = retryAfter(error.responseHeaders?.['retry-after'])
    if (statusCode === 429 || seconds !== null) {
      return new RetryLaterError(message, seconds ?? defaultRetrySeconds)
    }
    return Object.assign(new Error(message), { name })
  }
  if (NoObjectGeneratedError.isInstance(error) || error instanceof z.ZodError) {
    return new Error("the model's answer does not fit the schema")
  }
  return error
}
