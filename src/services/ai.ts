import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { APICallError, generateText, NoObjectGeneratedError, Output, type LanguageModelUsage } from 'ai'
import { z } from 'zod'
import type { Env } from '../env.ts'
import { PermanentError, RetryLaterError } from '../errors.ts'
import type { Ai, Usage } from '../workflows/contract.ts'

/** An `Ai` that adds up what it uses. */
export type MeteredAi = Ai & { used(): Usage & { model: string | null } }

/** Answers that say the request itself is wrong: sending it again cannot help. */
const permanentStatuses = new Set([400, 413, 422])

/** What a model was asked. */
export type ModelRequest = { instructions: string; prompt: string }

/**
 * Makes a metered model client for one item's work; it stops when `signal` aborts.
 *
 * @param onRequest is told of every request before it is made. What it says belongs in no log.
 */
export type CreateAi = (signal: AbortSignal, onRequest?: (request: ModelRequest) => void) => MeteredAi

export function createAi(env: Env): CreateAi {
  const model = createOpenAICompatible({
    name: 'model',
    baseURL: env.AI_BASE_URL,
    apiKey: env.AI_API_KEY,
    supportsStructuredOutputs: env.AI_RESPONSE_FORMAT === 'json_schema',
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

/** Most tokens that a try may be counted with. */
const maxTokens = 1_000_000_000

/** A gateway may report anything. */
const added = (tokens: number, more: number | undefined): number =>
  Math.min(maxTokens, tokens + Math.max(0, Math.ceil(more ?? 0) || 0))

const defaultRetrySeconds = 15

/** Seconds that a `Retry-After` header asks for, as a number or a date; null when it says nothing. */
function retryAfter(header: string | undefined): number | null {
  if (header === undefined || header.trim() === '') return null
  const seconds = Number(header)
  const wait = Number.isNaN(seconds) ? (Date.parse(header) - Date.now()) / 1000 : seconds
  return Number.isNaN(wait) ? null : Math.max(1, Math.ceil(wait))
}

/** The error to report; what the model wrote belongs in no log. */
function withoutAnswer(error: unknown): unknown {
  if (APICallError.isInstance(error)) {
    const { statusCode } = error
    const message = `the model answered ${statusCode ?? 'nothing'}: ${error.message}`
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
