import { createHash } from 'node:crypto'
import type { HeaderMap } from './headers.ts'
import type { Message, Outcome } from './message.ts'
import { callbackOptions, deliveryOptions, labelsOf } from './publish-options.ts'
import { report } from './report.ts'
import { applyFlow, callbackMessage, createMessage, dueTick } from './send.ts'
import type { World } from './world.ts'

type PlainInput = { url: string; body: string; headers: HeaderMap; callerIp: string }

function dedupId(input: PlainInput): string | undefined {
  const given = input.headers['upstash-deduplication-id']
  if (given !== undefined) return given
  if (input.headers['upstash-content-based-deduplication'] !== 'true') return undefined
  return createHash('sha256').update(`${input.url}\n${input.body}`).digest('base64url')
}

/** Publishes a message that belongs to no run. */
export function publishPlain(world: World, input: PlainInput): { messageId: string; deduplicated?: true } {
  const options = deliveryOptions(input.headers, world.settings)
  const callback = callbackOptions(input.headers, world.settings, 'callback')
  const failureCallback = callbackOptions(input.headers, world.settings, 'failure-callback')
  const id = dedupId(input)
  const holder = id === undefined ? undefined : world.dedup.find(id)
  if (holder !== undefined) return { messageId: holder, deduplicated: true }
  const dueAt = dueTick(world, options)
  const message = createMessage(world, {
    kind: 'plain',
    url: input.url,
    method: options.method,
    headers: { 'content-type': options.contentType, 'upstash-caller-ip': input.callerIp, ...options.forward },
    body: input.body,
    notBefore: Math.round(world.clock.now() + (dueAt - world.clock.ticks())),
    retries: options.retries ?? 3,
    retryDelay: options.retryDelay,
    timeoutMs: options.timeoutMs,
    flowKey: applyFlow(world, options.flow) ?? '',
    labels: labelsOf(input.headers),
    callback,
    failureCallback,
  })
  if (id !== undefined) world.dedup.take(id, message.id)
  world.mailbox.add(message, world.clock.now())
  world.outbox.add(message, dueAt)
  return { messageId: message.id }
}

/** Tells the callback URLs of a plain message how it went. */
export function sendReports(world: World, message: Message, outcome: Outcome, dlqId?: string): void {
  const targets = dlqId === undefined ? [message.callback] : [message.callback, message.failureCallback]
  for (const target of targets) {
    if (!target) continue
    const body = JSON.stringify({
      ...report(message, outcome, '127.0.0.1'),
      ...(dlqId !== undefined && { dlqId }),
    })
    const reported = callbackMessage(world, target, { kind: 'callback', body, labels: message.labels })
    world.outbox.add(reported, world.clock.ticks())
  }
}
