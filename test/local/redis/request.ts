import { z } from 'zod'
import type { Command } from './backend.ts'

const commandSchema = z
  .array(z.union([z.string(), z.number(), z.boolean()]))
  .nonempty()
  .transform(([name, ...args]): Command => [String(name).toUpperCase(), ...args.map(String)])

/** What one connection cannot do for many clients, or what would hold it up. Upstash refuses these over REST too. */
const UNAVAILABLE = new Set(
  `AUTH BLMOVE BLMPOP BLPOP BRPOP BRPOPLPUSH BZMPOP BZPOPMAX BZPOPMIN CLIENT CONFIG DISCARD EXEC FAILOVER HELLO MONITOR
  MULTI PSUBSCRIBE PUNSUBSCRIBE QUIT REPLICAOF RESET SELECT SHUTDOWN SSUBSCRIBE SUBSCRIBE SUNSUBSCRIBE SWAPDB SYNC
  UNSUBSCRIBE UNWATCH WAIT WAITAOF WATCH`.split(/\s+/),
)

/** @throws an error in the words of Redis when the text is not a JSON array of words. */
export const parseCommand = (text: string): Command => parse(commandSchema, text)

/** @throws an error in the words of Redis when the text is not a JSON array of commands. */
export const parseCommands = (text: string): Command[] => parse(z.array(commandSchema).nonempty(), text)

/**
 * Reads the path style: `/set/foo/bar?EX=100`. The body, if any, follows the path as the last argument, and then come
 * the query's names and values.
 */
export function parsePath(url: URL, body: string): Command {
  const words = url.pathname.split('/').slice(1).map(decodeURIComponent)
  const options = [...url.searchParams].filter(([name]) => name !== '_token').flat()
  const [name = '', ...args] = words
  return [name.toUpperCase(), ...args, ...(body === '' ? [] : [body]), ...options.filter(Boolean)]
}

/** The error for a command that this service does not pass on. */
export const refusal = ([name]: Command): string | undefined =>
  UNAVAILABLE.has(name)
    ? `ERR Command is not available: '${name}'. See https://upstash.com/docs/redis/overall/rediscompatibility for details`
    : undefined

function parse<T>(schema: z.ZodType<T>, text: string): T {
  try {
    return schema.parse(JSON.parse(text))
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : String(error)
    throw new Error(`ERR failed to parse command: ${reason}`, { cause: error })
  }
}
