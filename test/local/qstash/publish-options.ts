import { parseDuration } from './duration.ts'
import { evaluate } from './expression.ts'
import { type FlowLimits, parseFlowValue } from './flow-limits.ts'
import { forwarded, type HeaderMap } from './headers.ts'
import { Problem } from './problem.ts'
import type { Settings } from './settings.ts'

/** How one message is to be delivered, as the publisher asked in `<prefix>*` headers. */
export type DeliveryOptions = {
  method: string
  contentType: string
  forward: HeaderMap
  retries: number | undefined
  retryDelay: string | undefined
  timeoutMs: number | undefined
  delayMs: number
  notBefore: number | undefined
  flow: { key: string; limits: FlowLimits | undefined } | undefined
}

/** Where to report the outcome of a message, and how to deliver that report. */
export type CallbackOptions = { url: string; runId: string | undefined; delivery: DeliveryOptions }

const KEY = /^[a-zA-Z0-9\-_.]+$/
const METHODS = new Set(['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS'])

function durationOf(headers: HeaderMap, name: string): number | undefined {
  const text = headers[name]
  if (text === undefined) return undefined
  const value = parseDuration(text)
  if (value === undefined) throw new Problem(400, `${name} must be a duration, received "${text}"`)
  return value
}

function retriesOf(headers: HeaderMap, name: string, settings: Settings): number | undefined {
  const text = headers[name]
  if (text === undefined) return undefined
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new Problem(400, `${name} must be a whole number, received "${text}"`)
  }
  if (value > settings.maxRetries) {
    throw new Problem(412, `${name} is over quota: ${settings.maxRetries} at most, received ${value}`)
  }
  return value
}

function retryDelayOf(headers: HeaderMap, name: string): string | undefined {
  const text = headers[name]
  if (text === undefined || text === '') return undefined
  try {
    evaluate(text, { retried: 0 })
  } catch (error) {
    throw new Problem(400, `${name} is no valid expression: ${error instanceof Error ? error.message : text}`)
  }
  return text
}

function flowOf(headers: HeaderMap, prefix: string): DeliveryOptions['flow'] {
  const key = headers[`${prefix}flow-control-key`]
  if (key === undefined) return undefined
  if (!KEY.test(key)) throw new Problem(400, `invalid flow control key "${key}"`)
  const value = headers[`${prefix}flow-control-value`]
  return { key, limits: value === undefined ? undefined : parseFlowValue(value) }
}

function delayOf(headers: HeaderMap, prefix: string, settings: Settings): number {
  const delayMs = durationOf(headers, `${prefix}delay`) ?? 0
  if (delayMs > settings.maxDelayMs) throw new Problem(412, `${prefix}delay is over quota`)
  return delayMs
}

function notBeforeOf(headers: HeaderMap, prefix: string): number | undefined {
  const text = headers[`${prefix}not-before`]
  if (text === undefined) return undefined
  const seconds = Number(text)
  if (!Number.isFinite(seconds)) {
    throw new Problem(400, `${prefix}not-before must be a unix time in seconds, received "${text}"`)
  }
  return seconds * 1000
}

/** Reads the headers `<prefix>retries`, `<prefix>delay`, `<prefix>forward-*` and so on. */
export function deliveryOptions(
  headers: HeaderMap,
  settings: Settings,
  prefix = 'upstash-',
): DeliveryOptions {
  const method = (headers[`${prefix}method`] ?? 'POST').toUpperCase()
  if (!METHODS.has(method)) throw new Problem(400, `unknown method "${method}"`)
  return {
    method,
    contentType: headers['content-type'] ?? 'application/json',
    forward: forwarded(headers, prefix),
    retries: retriesOf(headers, `${prefix}retries`, settings),
    retryDelay: retryDelayOf(headers, `${prefix}retry-delay`),
    timeoutMs: durationOf(headers, `${prefix}timeout`),
    delayMs: delayOf(headers, prefix, settings),
    notBefore: notBeforeOf(headers, prefix),
    flow: flowOf(headers, prefix),
  }
}

/** Reads `upstash-callback*` or `upstash-failure-callback*`. */
export function callbackOptions(
  headers: HeaderMap,
  settings: Settings,
  name: 'callback' | 'failure-callback',
): CallbackOptions | undefined {
  const url = headers[`upstash-${name}`]
  if (url === undefined) return undefined
  if (!/^https?:\/\//.test(url)) throw new Problem(400, `upstash-${name} must be a URL, received "${url}"`)
  const prefix = `upstash-${name}-`
  return {
    url,
    runId: headers[`${prefix}workflow-runid`],
    delivery: { ...deliveryOptions(headers, settings, prefix), contentType: 'application/json' },
  }
}

/** The labels of `upstash-label: a,b`. */
export function labelsOf(headers: HeaderMap): string[] {
  return (headers['upstash-label'] ?? '')
    .split(',')
    .map((label) => label.trim())
    .filter((label) => label !== '')
}
