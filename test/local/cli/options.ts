import { checkPostgresUrl, exampleUrl } from '../postgres-url.ts'
import { UsageError } from './program.ts'

const digits = /^\d{1,9}$/

/**
 * The value of an option that counts something.
 *
 * @throws UsageError unless it is a whole number.
 */
export function countOption(name: string, text: string): number {
  if (!digits.test(text)) throw new UsageError(`--${name} takes a whole number, received "${text}"`)
  return Number(text)
}

/**
 * The value of an option that names a TCP port; 0 means any free one.
 *
 * @throws UsageError unless it is a port number.
 */
export function portOption(name: string, text: string): number {
  const port = digits.test(text) ? Number(text) : Number.NaN
  if (!(port < 65_536)) throw new UsageError(`--${name} takes a port number, received "${text}"`)
  return port
}

/**
 * The database that a command works on.
 *
 * @throws Error that says what to set when there is none.
 */
export function databaseUrl(env = process.env): string {
  const url = env.DATABASE_URL ?? ''
  if (url === '') throw new Error(`DATABASE_URL is not set: it names the database, for example ${exampleUrl}`)
  return checkPostgresUrl('DATABASE_URL', url)
}
