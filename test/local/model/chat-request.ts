import { z } from 'zod'
import { jsonSchema } from './json-schema.ts'
import { OpenAIError } from './openai-error.ts'

const contentSchema = z.union([
  z.string(),
  z.null().transform(() => ''),
  z
    .array(z.looseObject({ type: z.string(), text: z.string().optional() }))
    .transform((parts) => parts.map((part) => part.text ?? '').join('\n')),
])

const requestSchema = z.object({
  model: z.string().min(1),
  messages: z.array(z.object({ role: z.string(), content: contentSchema.default('') })).nonempty(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().optional() }).nullish(),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  response_format: z
    .discriminatedUnion('type', [
      z.object({ type: z.literal('text') }),
      z.object({ type: z.literal('json_object') }),
      z.object({ type: z.literal('json_schema'), json_schema: z.object({ schema: jsonSchema }) }),
    ])
    .nullish(),
})

/** The body of `POST /v1/chat/completions`, as far as it is used here. */
export type ChatRequest = z.infer<typeof requestSchema>

/** @throws OpenAIError 400 that names what is wrong with the body. */
export function parseChatRequest(text: string): ChatRequest {
  try {
    return requestSchema.parse(JSON.parse(text))
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : String(error)
    throw new OpenAIError(400, `Invalid request body: ${reason}`)
  }
}

/** Everything that the model is told, as one text. */
export const promptOf = (request: ChatRequest): string =>
  request.messages.map((message) => message.content).join('\n\n')
