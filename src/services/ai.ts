import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { APICallError, generateText, NoObjectGeneratedError, Output, type LanguageModelUsage } from 'ai'
import { z } from 'zod'
import type { Env } from '../env.ts'
import { PermanentError } from '../errors.ts'
import type { Ai, Usage } from '../workflows/contract.ts'

/** An `Ai` that adds up what it uses. */
export type MeteredAi = Ai & { used(): Usage & { model: string | null } }

/** Answers that say the request itself is wrong: sending it again cannot help. */
const permanentStatuses = new Set([400, 413, 422])

/** Makes a metered model client for one item's work; it stops when `signal` aborts. */
export type CreateAi = (signal: AbortSignal) => MeteredAi

export function createAi(env: Env): CreateAi {
  const model = createOpenAICompatible({
    name: 'model',
    baseURL: env.AI_BASE_URL,
    apiKey: env.AI_API_KEY,
    supportsStructuredOutputs: env.AI_RESPONSE_FORMAT === 'json_schema',
  })(env.AI_MODEL)

  return (signal) => {
    const used = { inputTokens: 0, outputTokens: 0, model: null as string | null }
    const meter = (usage: LanguageModelUsage | undefined) => {
      used.inputTokens += usage?.inputTokens ?? 0
      used.outputTokens += usage?.outputTokens ?? 0
      used.model = env.AI_MODEL
    }
    return {
      used: () => ({ ...used }),
      async object({ schema, instructions, prompt, maxOutputTokens = 1000 }) {
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

/** The error to report; what the model wrote belongs in no log. */
function withoutAnswer(error: unknown): unknown {
  if (APICallError.isInstance(error)) {
    const message = `the model answered ${error.statusCode ?? 'nothing'}: ${error.message}`
    const permanent = error.statusCode !== undefined && permanentStatuses.has(error.statusCode)
    return permanent ? new PermanentError(message) : new Error(message)
  }
  if (NoObjectGeneratedError.isInstance(error) || error instanceof z.ZodError) {
    return new Error("the model's answer does not fit the schema")
  }
  return error
}
