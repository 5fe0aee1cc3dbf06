import type { z } from 'zod'
import { PermanentError, RetryLaterError } from '../errors.ts'

/** What a service answered that did not do what was asked of it; its body is kept out of the message. */
export type Refusal = { status: number; retryAfter: string | null; body: unknown }

/** Makes one request. @returns the parsed answer, or what was answered instead. */
export async function ask<Schema extends z.ZodType>(
  schema: Schema,
  service: string,
  url: string,
  init: RequestInit,
): Promise<z.output<Schema> | { refused: Refusal }> {
  const response = await fetch(url, { ...init, redirect: 'manual' })
  const body: unknown = await response.json().catch(() => undefined)
  if (!response.ok) {
    return { refused: { status: response.status, retryAfter: response.headers.get('retry-after'), body } }
  }
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  throw new Error(`${service} answered ${response.status} with something else than expected`)
}

export const isRefused = (answer: object): answer is { refused: Refusal } => 'refused' in answer

const defaultRetrySeconds = 15

/** Seconds that a `Retry-After` header asks for, as a number or a date; null when it says nothing. */
export function retryAfter(header: string | null | undefined): number | null {
  if (header === null || header === undefined || header.trim() === '') return null
  const seconds = Number(header)
  const wait = Number.isNaN(seconds) ? (Date.parse(header) - Date.now()) / 1000 : seconds
  return Number.isNaN(wait) ? null : Math.max(1, Math.ceil(wait))
}

/**
 * The error that a refusal comes to: patience where it asks for that, permanent where the request itself is wrong.
 *
 * @param name what the error is called, for example `Mail422`.
 */
export function errorOf(
  { status, retryAfter: header }: Pick<Refusal, 'status' | 'retryAfter'>,
  message: string,
  { name, permanent }: { name: string; permanent: boolean },
): Error {
  const seconds = retryAfter(header)
  if (permanent) return Object.assign(new PermanentError(message), { name })
  if (status === 429 || seconds !== null) return new RetryLaterError(message, seconds ?? defaultRetrySeconds)
  return Object.assign(new Error(message), { name })
}

/** What a service is used with in one step. */
export type ServiceScope = { key: string; signal: AbortSignal }

/** Idempotency keys of one step's requests: the same in every try, for the same requests in the same order. */
export function keysOf({ key }: ServiceScope): () => string {
  let made = 0
  return () => {
    made += 1
    return made === 1 ? key : `${key}-${made}`
  }
}
