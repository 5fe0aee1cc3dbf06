import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { APICallError, generateText, NoObjectGeneratedError, Output, streamText } from 'ai'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { startModel, type LocalModel } from './start.ts'

const welcome = z.object({ welcomeMessage: z.string().max(200), openQuestions: z.array(z.string()).min(3) })

let local: LocalModel

beforeAll(async () => {
  local = await startModel()
})
afterEach(() => local.reset())
afterAll(() => local.close())

const model = (apiKey = local.apiKey) =>
  createOpenAICompatible({
    name: 'local',
    baseURL: local.url,
    apiKey,
    supportsStructuredOutputs: true,
    includeUsage: true,
  })('local-model')
const say = (prompt: string, options: { maxRetries?: number; maxOutputTokens?: number } = {}) =>
  generateText({ model: model(), prompt, maxRetries: 0, ...options })
const sayWelcome = (prompt: string) =>
  generateText({ model: model(), output: Output.object({ schema: welcome }), prompt, maxRetries: 0 })
const origin = () => new URL(local.url).origin
const setFaults = (...rules: object[]) =>
  fetch(`${origin()}/local/faults`, { method: 'POST', body: JSON.stringify({ rules }) })
const post = (body: string) =>
  fetch(`${local.url}/chat/completions`, {
    method: 'POST',
    body,
    headers: { authorization: `Bearer ${local.apiKey}` },
  })
const succeeds = (prompt: string) =>
  say(prompt).then(
    () => true,
    () => false,
  )
const hundredPrompts = () => Promise.all(Array.from({ length: 100 }, (_, i) => succeeds(`prompt ${i}`)))
const errorOf = (promise: Promise<unknown>) => promise.then(undefined, (error: unknown) => error)

describe('answers', () => {
  it('are text about the prompt, the same for the same prompt', async () => {
    const [first, again, other] = await Promise.all([
      say('Title: Gardening'),
      say('Title: Gardening'),
      say('Title: Chess'),
    ])
    expect(first.text).toContain('Gardening')
    expect(again.text).toBe(first.text)
    expect(other.text).toContain('Chess')
    expect(first.finishReason).toBe('stop')
  })

  it('are objects where the request has a schema', async () => {
    const { output } = await sayWelcome('Title: "Gardening"')
    expect(output.welcomeMessage).toContain('Gardening')
    expect(output.openQuestions.every((question) => question.endsWith('?'))).toBe(true)
  })

  it('can be streamed, with the same text and usage', async () => {
    const whole = await say('Title: Gardening')
    const stream = streamText({ model: model(), prompt: 'Title: Gardening' })
    const pieces: string[] = []
    for await (const piece of stream.textStream) pieces.push(piece)
    expect(pieces.length).toBeGreaterThan(5)
    expect(pieces.join('')).toBe(whole.text)
    expect(await stream.usage).toMatchObject({
      inputTokens: whole.usage.inputTokens,
      outputTokens: whole.usage.outputTokens,
    })
  })

  it('cost a token for about four characters', async () => {
    const { text, usage } = await say('x'.repeat(400))
    expect(usage.inputTokens).toBe(100)
    expect(usage.outputTokens).toBe(Math.ceil(text.length / 4))
    expect(local.stats()).toMatchObject({ promptTokens: 100, completionTokens: usage.outputTokens })
  })

  it('end at the limit of tokens', async () => {
    const { text, usage, finishReason } = await say('Title: Gardening', { maxOutputTokens: 5 })
    expect([text.length, usage.outputTokens, finishReason]).toEqual([20, 5, 'length'])
  })
})

describe('requests', () => {
  it('need the key', async () => {
    const error = await errorOf(generateText({ model: model('wrong'), prompt: 'x', maxRetries: 0 }))
    expect(error).toMatchObject({
      statusCode: 401,
      message: 'Incorrect API key provided.',
      isRetryable: false,
    })
  })

  it('must have messages', async () => {
    for (const body of ['', '{}', '{"model":"m","messages":[]}', '{"model":"m","messages":[{"role":1}]}']) {
      const response = await post(body)
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ error: { type: 'invalid_request_error' } })
    }
  })

  it('may ask for the models', async () => {
    const response = await fetch(`${local.url}/models`, {
      headers: { authorization: `Bearer ${local.apiKey}` },
    })
    expect(await response.json()).toMatchObject({ object: 'list', data: [{ id: 'local-model' }] })
  })

  it('are counted by status and prompt, and the latest are kept', async () => {
    await setFaults({ match: 'broken', status: 500, delayMs: 20 }, { delayMs: 20 })
    await Promise.allSettled([say('one'), say('one'), say('broken')])
    const stats = local.stats()
    expect(stats).toMatchObject({ requests: 3, byStatus: { 200: 2, 500: 1 } })
    expect(stats.maxConcurrent).toBeGreaterThan(1)
    expect(new Set(Object.values(stats.byPrompt))).toEqual(new Set([1, 2]))
    const seen = z.array(z.object({ hash: z.string(), prompt: z.string() }))
    const requests = seen.parse(await (await fetch(`${origin()}/local/requests`)).json())
    expect(requests.map(({ prompt }) => prompt).toSorted()).toEqual(['broken', 'one', 'one'])
    expect(requests.every(({ hash }) => hash in stats.byPrompt)).toBe(true)
  })
})

describe('faults', () => {
  it('answer with an error, which the client retries when told to', async () => {
    await setFaults({ status: 429, retryAfterSeconds: 0, times: 1 })
    expect((await say('x', { maxRetries: 1 })).text).not.toBe('')
    expect(local.stats().byStatus).toEqual({ 200: 1, 429: 1 })
  })

  it('carry the time after which to retry', async () => {
    await setFaults({ status: 429, retryAfterSeconds: 7 })
    const error = await errorOf(say('x'))
    expect(APICallError.isInstance(error) && error.responseHeaders).toMatchObject({ 'retry-after': '7' })
  })

  it('hit only prompts that match', async () => {
    await setFaults({ match: 'poison', status: 500 })
    await expect(say('some poison')).rejects.toThrow(/local fault/)
    await expect(say('some cake')).resolves.toMatchObject({ finishReason: 'stop' })
  })

  it('hit one prompt in so many, always the same ones', async () => {
    await setFaults({ every: 4, status: 500 })
    const [first, second] = [await hundredPrompts(), await hundredPrompts()]
    expect(second).toEqual(first)
    const failed = first.filter((ok) => !ok).length
    expect(failed).toBeGreaterThan(10)
    expect(failed).toBeLessThan(45)
  })

  it('hit each prompt so many times', async () => {
    await setFaults({ status: 500, timesPerPrompt: 1 })
    const outcomes = [await succeeds('a'), await succeeds('b'), await succeeds('a'), await succeeds('b')]
    expect(outcomes).toEqual([false, false, true, true])
  })

  it.each(['not-json', 'wrong-shape', 'empty', 'truncated'])('answer with what is %s', async (malformed) => {
    await setFaults({ malformed })
    expect(NoObjectGeneratedError.isInstance(await errorOf(sayWelcome('Title: x')))).toBe(true)
    expect(local.stats().byStatus).toEqual({ 200: 1 })
  })

  it('answer with what a test says', async () => {
    await setFaults({ match: 'poem', content: 'Roses are red' }, { status: 400, message: 'No prose' })
    expect(await say('a poem')).toMatchObject({ text: 'Roses are red', finishReason: 'stop' })
    await expect(say('an essay')).rejects.toThrow('No prose')
  })

  it('delay the answer, unless the client goes away', async () => {
    await setFaults({ match: 'slow', delayMs: 30 }, { match: 'endless', delayMs: 60_000 })
    const started = performance.now()
    await say('slow')
    expect(performance.now() - started).toBeGreaterThanOrEqual(29)
    const abort = AbortSignal.timeout(20)
    const gone = generateText({ model: model(), prompt: 'endless', maxRetries: 0, abortSignal: abort })
    await expect(gone).rejects.toThrow()
    await vi.waitFor(() => expect(local.stats().byStatus).toEqual({ 200: 1, 499: 1 }))
  })

  it('must be valid, and can be cleared', async () => {
    expect((await setFaults({ malformed: 'purple' })).status).toBe(400)
    await setFaults({ status: 500 })
    await fetch(`${origin()}/local/reset`, { method: 'POST' })
    expect((await say('x')).text).not.toBe('')
  })
})
