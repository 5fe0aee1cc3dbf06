/** How long to wait when a service asks for patience without saying how much. */
export const defaultRetrySeconds = 15

/** Seconds that a `Retry-After` header asks for, as a number or a date; null when it says nothing. */
export function retryAfter(header: string | null | undefined): number | null {
  if (header === undefined || header === null || header.trim() === '') return null
  const seconds = Number(header)
  const wait = Number.isNaN(seconds) ? (Date.parse(header) - Date.now()) / 1000 : seconds
  return Number.isNaN(wait) ? null : Math.max(1, Math.ceil(wait))
}
