import type { HeaderLists } from './headers.ts'

const REDACTED = 'REDACTED'

/** Hides in the logs what `upstash-redact-fields: body, header, header[Name]` lists. */
export function redactor(fields: string | undefined) {
  const names = new Set((fields ?? '').split(',').map((field) => field.trim().toLowerCase()))
  const hidesBody = names.has('body')
  const hides = (header: string) => names.has('header') || names.has(`header[${header.toLowerCase()}]`)
  return {
    body: <T>(value: T): T | string => (hidesBody && value !== undefined ? REDACTED : value),
    headers: (headers: HeaderLists): HeaderLists =>
      Object.fromEntries(
        Object.entries(headers).map(([name, values]) => [name, hides(name) ? [REDACTED] : values]),
      ),
  }
}

/** Hides fields of one run. */
export type Redactor = ReturnType<typeof redactor>
