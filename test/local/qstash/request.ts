import type { HeaderMap } from './headers.ts'
import type { Message } from './message.ts'
import { logBody, logBodySize } from './step-log.ts'
import type { World } from './world.ts'

/** The HTTP request of one delivery. */
export type DeliveryRequest = { url: string; method: string; headers: HeaderMap; body: string }

function bodyOf(world: World, { kind, run, entry, body }: Message): string {
  if (kind !== 'step' || !run || !entry) return body
  const lazy = run.config.featureSet.includes('LazyFetch')
  // Callback and failure bodies are never fetched lazily: the SDK does not take that.
  if (lazy && logBodySize(run, entry) > world.settings.lazyFetchBytes) return ''
  return logBody(run, entry)
}

function runHeadersOf({ kind, run }: Message): HeaderMap {
  if (!run || kind === 'call') return {}
  return {
    'upstash-workflow-runid': run.id,
    'upstash-workflow-createdat': String(run.createdAt),
    'upstash-workflow-url': run.url,
    'upstash-caller-ip': run.callerIp,
    ...(run.config.labels.length > 0 && { 'upstash-label': run.config.labels.join(',') }),
  }
}

/** Builds and signs the request that delivers a message. */
export async function requestOf(world: World, message: Message): Promise<DeliveryRequest> {
  const { run, kind, url, method } = message
  const hasBody = method !== 'GET' && method !== 'HEAD'
  const body = hasBody ? bodyOf(world, message) : ''
  const ofRun = kind === 'step' || kind === 'call-result' ? run?.config.forward : undefined
  const headers: HeaderMap = {
    'content-type': 'application/json',
    ...ofRun,
    ...message.headers,
    ...runHeadersOf(message),
    'user-agent': 'Upstash-QStash',
    'upstash-message-id': message.id,
    'upstash-retried': String(message.retried),
    'upstash-signature': await world.sign(url, body),
  }
  world.stats.delivered(url, message.labels, Buffer.byteLength(body))
  return { url, method, headers, body }
}
