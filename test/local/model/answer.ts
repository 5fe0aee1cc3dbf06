import { promptOf, type ChatRequest } from './chat-request.ts'
import { fillSchema } from './fill-schema.ts'
import { schemaInPrompt } from './schema-in-prompt.ts'
import { writerFor } from './write.ts'

/** What the model says to a request, and what that costs. */
export type Answer = {
  content: string
  finishReason: 'stop' | 'length'
  usage: { prompt_tokens: number; completion_tokens: number; total_tokens: number }
}

/** Writes the answer: JSON where the request asks for it, else a paragraph; it ends at the limit of tokens. */
export function answer(request: ChatRequest): Answer {
  const limit = request.max_completion_tokens ?? request.max_tokens ?? Infinity
  const whole = contentFor(request)
  const content = tokens(whole) > limit ? whole.slice(0, limit * CHARACTERS_PER_TOKEN) : whole
  return priced(request, content, content === whole ? 'stop' : 'length')
}

/** Puts a price on an answer: about four characters are a token. */
export function priced(request: ChatRequest, content: string, finishReason: Answer['finishReason']): Answer {
  const [input, output] = [tokens(promptOf(request)), tokens(content)]
  const usage = { prompt_tokens: input, completion_tokens: output, total_tokens: input + output }
  return { content, finishReason, usage }
}

const CHARACTERS_PER_TOKEN = 4

const tokens = (text: string): number => Math.ceil(text.length / CHARACTERS_PER_TOKEN)

function contentFor(request: ChatRequest): string {
  const prompt = promptOf(request)
  const writer = writerFor(prompt)
  const format = request.response_format
  if (!format || format.type === 'text') return writer.paragraph(3)
  const schema = format.type === 'json_schema' ? format.json_schema.schema : schemaInPrompt(prompt)
  return JSON.stringify(fillSchema(schema ?? { properties: { text: {} } }, writer, prompt))
}
