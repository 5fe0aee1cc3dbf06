import { Hono } from 'hono'
import { setTimeout as sleep } from 'node:timers/promises'
import { localRoutes } from '../local-routes.ts'
import { listen, type LocalServer } from '../server.ts'
import { answer } from './answer.ts'
import { hashOf } from './chance.ts'
import { parseChatRequest, promptOf, type ChatRequest } from './chat-request.ts'
import { completion, completionStream } from './completion.ts'
import { FaultRules, spoil, type Rule } from './faults.ts'
import { OpenAIError, renderError } from './openai-error.ts'
import { Statistics, type ModelStats } from './statistics.ts'

const MAX_BYTES = 10 * 1024 * 1024

/** A local service that speaks the chat completions protocol of the OpenAI API. */
export type LocalModel = LocalServer & {
  /** The base URL for clients; it ends in `/v1`. */
  url: string
  apiKey: string
  stats(): ModelStats
  /** Clears faults, statistics and the prompts that were kept. */
  reset(): void
}

/**
 * Starts a local model: it writes plausible text or JSON, always the same for the same prompt.
 *
 * `POST /local/faults` takes rules that make it fail, `GET /local/requests` returns the latest prompts.
 *
 * @param options.port TCP port; a free one when absent.
 * @param options.apiKey the bearer token that clients must send.
 * @example
 * const { url, apiKey } = await startModel()
 * const model = createOpenAICompatible({ name: 'local', baseURL: url, apiKey })('local-model')
 */
export async function startModel(options: { port?: number; apiKey?: string } = {}): Promise<LocalModel> {
  const apiKey = options.apiKey ?? 'rounds-local'
  const rules = new FaultRules()
  const statistics = new Statistics()
  const reset = () => {
    rules.clear()
    statistics.clear()
  }
  const app = new Hono()
    .route('/local', localRoutes({ faults: rules, stats: () => statistics.read(), reset }))
    .get('/local/requests', (c) => c.json(statistics.latest()))
    .use('/v1/*', async (c, next) => {
      if (c.req.header('authorization') === `Bearer ${apiKey}`) return next()
      throw new OpenAIError(401, 'Incorrect API key provided.', 'invalid_api_key')
    })
    .get('/v1/models', (c) => c.json(MODELS))
    .post('/v1/chat/completions', (c) =>
      statistics.track(async () => {
        try {
          return await respond(await c.req.text(), { rules, statistics, signal: c.req.raw.signal })
        } catch (error) {
          return renderError(error)
        }
      }),
    )
    .notFound(() => renderError(new OpenAIError(404, 'Unknown request URL.', 'unknown_url')))
    .onError(renderError)
  const server = await listen(app, options)
  return { ...server, url: `${server.url}/v1`, apiKey, stats: () => statistics.read(), reset }
}

type Services = { rules: FaultRules; statistics: Statistics; signal: AbortSignal }

async function respond(body: string, { rules, statistics, signal }: Services): Promise<Response> {
  if (Buffer.byteLength(body) > MAX_BYTES) {
    throw new OpenAIError(413, `The request is larger than ${MAX_BYTES} bytes.`)
  }
  const request = parseChatRequest(body)
  const prompt = promptOf(request)
  const hash = hashOf(prompt)
  statistics.addPrompt(hash, prompt)
  const rule = rules.take(prompt, hash)
  if (rule) await fail(rule, signal)
  const right = answer(request)
  const given = rule ? spoil(request, right, rule) : right
  statistics.addUsage(given.usage)
  return render(request, hash, given)
}

async function fail(rule: Rule, signal: AbortSignal): Promise<void> {
  await sleep(rule.delayMs, undefined, { signal }).catch(() => {
    throw new OpenAIError(499, 'The client closed the request.')
  })
  if (rule.status === undefined) return
  const headers: Record<string, string> = {}
  if (rule.retryAfterSeconds !== undefined) headers['retry-after'] = String(rule.retryAfterSeconds)
  throw new OpenAIError(rule.status, rule.message, null, headers)
}

function render(request: ChatRequest, hash: string, given: ReturnType<typeof answer>): Response {
  const head = { id: `chatcmpl-${hash}`, created: Math.floor(Date.now() / 1000), model: request.model }
  if (!request.stream) return completion(head, given)
  return completionStream(head, given, request.stream_options?.include_usage ?? false)
}

const MODELS = {
  object: 'list',
  data: [{ id: 'local-model', object: 'model', created: 0, owned_by: 'rounds' }],
}
