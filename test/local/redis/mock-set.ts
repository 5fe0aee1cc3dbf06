import type { Command } from './backend.ts'

const EXPIRY = new Set(['EX', 'PX', 'EXAT', 'PXAT'])

type SetOptions = { condition: string[]; expiry: string[]; get: string[] }

/**
 * Rewrites a SET for the mock, which wants its options in capitals, GET after the expiry, and knows no KEEPTTL.
 *
 * @throws the error that Redis gives for options that are not valid.
 */
export async function normalizeSet(command: Command, pttl: () => Promise<unknown>): Promise<Command> {
  const [name, key = '', value = '', ...args] = command
  const { condition, expiry, get } = parseOptions(args)
  if (expiry[0] === 'KEEPTTL') {
    const left = Number(await pttl())
    return [name, key, value, ...condition, ...(left > 0 ? ['PX', String(left)] : []), ...get]
  }
  return [name, key, value, ...condition, ...expiry, ...get]
}

function parseOptions(args: string[]): SetOptions {
  const options: SetOptions = { condition: [], expiry: [], get: [] }
  const rest = [...args]
  for (let token = rest.shift()?.toUpperCase(); token !== undefined; token = rest.shift()?.toUpperCase()) {
    const kind = kindOf(token)
    if (options[kind].length > 0) throw new Error('ERR syntax error')
    options[kind] = EXPIRY.has(token) ? [token, expiryTime(rest.shift())] : [token]
  }
  return options
}

function kindOf(token: string): keyof SetOptions {
  if (token === 'NX' || token === 'XX') return 'condition'
  if (token === 'GET') return 'get'
  if (token === 'KEEPTTL' || EXPIRY.has(token)) return 'expiry'
  throw new Error('ERR syntax error')
}

function expiryTime(text: string | undefined): string {
  if (text === undefined) throw new Error('ERR syntax error')
  if (!/^-?\d{1,15}$/.test(text)) throw new Error('ERR value is not an integer or out of range')
  if (Number(text) <= 0) throw new Error("ERR invalid expire time in 'set' command")
  return text
}
