import { z } from 'zod'
import type { Command } from './backend.ts'
import type { MockClient } from './mock-client.ts'

/** A row of `COMMAND INFO`: name, arity, flags, first key, last key, step, categories … */
const infoSchema = z
  .tuple([z.string(), z.number(), z.unknown(), z.number(), z.unknown(), z.unknown(), z.array(z.string())])
  .rest(z.unknown())

type KeyType = 'string' | 'hash' | 'list' | 'set' | 'zset'

const TYPE_OF_CATEGORY = new Map<string, KeyType>([
  ['@string', 'string'],
  ['@hash', 'hash'],
  ['@list', 'list'],
  ['@set', 'set'],
  ['@sortedset', 'zset'],
])

/** Commands of the string family that take a key of any type. */
const ANY_TYPE = new Set(['SET', 'SETEX', 'PSETEX', 'SETNX', 'MGET', 'MSET', 'MSETNX'])

/** The rules of Redis that the mock does not enforce itself. */
export type CommandTable = {
  /** @throws the error that Redis gives for an unknown command or a wrong number of arguments. */
  check(command: Command): void
  /** The key of the command and the type that it must have, if the command insists on one. */
  keyOf(command: Command): { key: string; type: KeyType } | undefined
}

/** Reads the table of Redis commands that the mock carries with it. */
export async function openCommandTable(client: MockClient): Promise<CommandTable> {
  const rows = z.array(infoSchema).parse(await client.call(['COMMAND']))
  const table = new Map(rows.map((row) => [row[0].toUpperCase(), row]))
  return {
    check: ([name, ...args]) => {
      const row = table.get(name)
      if (!row) throw new Error(`ERR unknown command '${name}', with args beginning with: ${quoted(args)}`)
      const [, arity] = row
      const given = args.length + 1
      if (arity > 0 ? given !== arity : given < -arity) {
        throw new Error(`ERR wrong number of arguments for '${name.toLowerCase()}' command`)
      }
      if (!client.has(name)) {
        throw new Error(`ERR ioredis-mock has no ${name}: run the local Redis over a real server`)
      }
    },
    keyOf: (command) => {
      const row = table.get(command[0])
      const type = row?.[6].map((category) => TYPE_OF_CATEGORY.get(category)).find(Boolean)
      const key = row && command[row[3]]
      return type && key !== undefined && !ANY_TYPE.has(command[0]) ? { key, type } : undefined
    },
  }
}

const quoted = (args: string[]): string => args.map((arg) => `'${arg}' `).join('')
