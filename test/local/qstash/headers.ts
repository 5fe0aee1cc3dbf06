/** Header names in lower case, one value each. */
export type HeaderMap = Record<string, string>

/** Header values as Go servers print them: a list for each name. */
export type HeaderLists = Record<string, string[]>

/** Names that describe one connection, or that the HTTP client sets itself. */
const HOP_BY_HOP = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

const WORKFLOW = 'upstash-workflow-'

/** Reads the headers of a request, of a batch item or of a JSON list; anything that is no header is left out. */
export function headerMap(source: unknown): HeaderMap {
  const headers: HeaderMap = {}
  if (source instanceof Headers) {
    for (const [name, value] of source) headers[name] = value
    return headers
  }
  if (typeof source !== 'object' || source === null) return headers
  for (const [name, value] of Object.entries(source)) {
    const text: unknown = Array.isArray(value) ? value[0] : value
    if (typeof text === 'string') headers[name.toLowerCase()] = text
    else if (typeof text === 'number' || typeof text === 'boolean') headers[name.toLowerCase()] = String(text)
  }
  return headers
}

/** What `<prefix>forward-*` asks to pass on, without the prefix. */
export function forwarded(headers: HeaderMap, prefix = 'upstash-'): HeaderMap {
  const start = `${prefix}forward-`
  const result: HeaderMap = {}
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith(start)) continue
    const target = name.slice(start.length)
    if (target && !HOP_BY_HOP.has(target)) result[target] = value
  }
  return result
}

/** The forwarded headers that belong to a whole run: those of the protocol belong to a single message. */
export function runHeaders(forward: HeaderMap): HeaderMap {
  return Object.fromEntries(Object.entries(forward).filter(([name]) => !name.startsWith(WORKFLOW)))
}

/** The opposite of `runHeaders`. */
export function protocolHeaders(forward: HeaderMap): HeaderMap {
  return Object.fromEntries(Object.entries(forward).filter(([name]) => name.startsWith(WORKFLOW)))
}

/** `{ 'content-type': 'a' }` as `{ 'Content-Type': ['a'] }`. */
export function headerLists(headers: HeaderMap | Headers): HeaderLists {
  const pairs = headers instanceof Headers ? [...headers] : Object.entries(headers)
  return Object.fromEntries(
    pairs.map(([name, value]) => [
      name.replace(/(^|-)([a-z])/g, (_, dash: string, letter: string) => dash + letter.toUpperCase()),
      [value],
    ]),
  )
}
