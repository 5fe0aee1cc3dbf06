import type { Command } from './backend.ts'
import type { CommandTable } from './command-table.ts'
import type { MockClient } from './mock-client.ts'
import { normalizeSet } from './mock-set.ts'
import { toReply } from './reply.ts'

const COUNTERS = new Set(['INCR', 'INCRBY', 'DECR', 'DECRBY'])

/** Runs a command on the mock, with the checks that the mock leaves out and the spelling that it expects. */
export async function repair(client: MockClient, table: CommandTable, command: Command): Promise<unknown> {
  await checkType(client, table, command)
  if (COUNTERS.has(command[0])) await checkInteger(client, command)
  return client.call(await normalize(client, command))
}

async function checkType(client: MockClient, table: CommandTable, command: Command): Promise<void> {
  const wanted = table.keyOf(command)
  if (!wanted) return
  const type = await client.call(['TYPE', wanted.key])
  if (type !== 'none' && type !== wanted.type) {
    throw new Error('WRONGTYPE Operation against a key holding the wrong kind of value')
  }
}

async function checkInteger(client: MockClient, [, key = '', amount = '1']: Command): Promise<void> {
  const value = toReply(await client.call(['GET', key])) ?? '0'
  if (![value, amount].every((text) => typeof text === 'string' && /^-?\d{1,18}$/.test(text))) {
    throw new Error('ERR value is not an integer or out of range')
  }
}

/** The mock reads options only in capitals; clients may send them in any case. */
async function normalize(client: MockClient, command: Command): Promise<Command> {
  const [name, key = '', ...rest] = command
  if (name === 'SET') return normalizeSet(command, () => client.call(['PTTL', key]))
  if (name === 'ZADD') return [name, key, ...capitals(rest, ['NX', 'XX', 'CH', 'INCR'])]
  if (name === 'ZRANGE') {
    return [name, key, ...capitals(rest, ['BYSCORE', 'BYLEX', 'REV', 'LIMIT', 'WITHSCORES'])]
  }
  return command
}

const capitals = (args: string[], options: string[]): string[] =>
  args.map((arg) => (options.includes(arg.toUpperCase()) ? arg.toUpperCase() : arg))
