import { PermanentError, RetryLaterError } from '../errors.ts'
import { defaultRetrySeconds, retryAfter } from './retry-after.ts'

/** How a service is called in messages (`the mail service`) and in the names of errors (`Mail422`). */
export type ServiceName = { message: string; error: string }

type Request = {
  url: string
  method: 'GET' | 'POST'
  headers: Record<string, string>
  body?: string
  signal: AbortSignal
}

/** `body` is undefined when it is not JSON. */
export type Answer = { ok: boolean; status: number; headers: Headers; body: unknown }

/** Answers that say the request itself is wrong: sending it again cannot help. */
const permanentStatuses = new Set([400, 402, 403, 404, 405, 410, 413, 422, 451])

/**
 * Asks a service over HTTP; redirects are not followed, since they would carry the key elsewhere.
 *
 * @throws Error when there is no whole answer: what was asked for may have been done all the same.
 */
export async function ask(service: ServiceName, { url, ...request }: Request): Promise<Answer> {
  try {
    const response = await fetch(url, { ...request, redirect: 'manual' })
    const { ok, status, headers } = response
    return { ok, status, headers, body: parsed(await response.text()) }
  } catch {
    // What was thrown may quote a header.
    const reason = request.signal.aborted ? 'did not answer in time' : 'could not be reached'
    throw Object.assign(new Error(`${service.message} ${reason}`), { name: `${service.error}Silent` })
  }
}

/** Undefined when it is not JSON. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * The error for an answer that is no success.
 *
 * @param codes the service's own words for what is wrong; nothing else of its answer may be shown.
 * @param permanent default: as the status says.
 */
export function refusal(
  service: ServiceName,
  { status, headers }: Answer,
  codes: readonly (string | null | undefined)[],
  permanent = permanentStatuses.has(status),
): Error {
  const message = `${service.message} answered ${status}${inBrackets(codes)}`
  const name = `${service.error}${status}`
  if (permanent) return Object.assign(new PermanentError(message), { name })
  const seconds = retryAfter(headers.get('retry-after'))
  if (status === 429 || seconds !== null) return new RetryLaterError(message, seconds ?? defaultRetrySeconds)
  return Object.assign(new Error(message), { name })
}

/** The codes as they may be shown: a text that is no code could be anything. */
export function inBrackets(codes: readonly (string | null | undefined)[]): string {
  const shown = codes.filter((code) => typeof code === 'string' && /^[A-Za-z_]{1,64}$/.test(code))
  return shown.length === 0 ? '' : ` (${shown.join(', ')})`
}

/** The error for a success that says something else than it should. */
export const notUnderstood = (service: ServiceName) =>
  Object.assign(new Error(`${service.message} answered what nobody understands`), {
    name: `${service.error}Malformed`,
  })
