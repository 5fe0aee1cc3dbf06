import type { Answer } from './answer.ts'

type Head = { id: string; created: number; model: string }

/** The response to a request without streaming. */
export function completion({ id, created, model }: Head, { content, finishReason, usage }: Answer): Response {
  const message = { role: 'assistant', content, refusal: null }
  const choices = [{ index: 0, message, logprobs: null, finish_reason: finishReason }]
  return Response.json({ id, object: 'chat.completion', created, model, choices, usage })
}

/** The response to a streaming request: server-sent events, the usage last if it was asked for. */
export function completionStream(head: Head, answer: Answer, includeUsage: boolean): Response {
  const chunk = (choices: object[], more = {}) => ({
    ...head,
    object: 'chat.completion.chunk',
    choices,
    ...more,
  })
  const pieces = answer.content.match(/\s*\S+\s*$|\s*\S+/g) ?? []
  const chunks = [
    chunk([choice({ role: 'assistant', content: '' })]),
    ...pieces.map((content) => chunk([choice({ content })])),
    chunk([choice({}, answer.finishReason)]),
    ...(includeUsage ? [chunk([], { usage: answer.usage })] : []),
  ]
  const events = [...chunks.map((event) => JSON.stringify(event)), '[DONE]']
  return new Response(events.map((event) => `data: ${event}\n\n`).join(''), {
    headers: { 'content-type': 'text/event-stream' },
  })
}

const choice = (delta: object, finish_reason: string | null = null) => ({ index: 0, delta, finish_reason })
