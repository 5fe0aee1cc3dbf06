import { openMock } from './mock-backend.ts'
import { openRedis } from './redis-backend.ts'

/** A command in words, its name in capitals: `['SET', 'k', 'v', 'EX', '10']`. */
export type Command = [name: string, ...args: string[]]

/** A reply as the REST protocol knows it: a map is a flat list of keys and values. */
export type Reply = null | number | string | Reply[]

/** What became of one command. */
export type Outcome = { result: Reply } | { error: string }

/** The Redis behind the REST service. */
export type Backend = {
  name: 'ioredis-mock' | 'Redis'
  /** Runs commands in order; one that fails does not stop the others. */
  run(commands: Command[]): Promise<Outcome[]>
  /** Runs commands with nothing in between. @throws when the transaction is discarded as a whole. */
  transaction(commands: Command[]): Promise<Outcome[]>
  flush(): Promise<void>
  close(): Promise<void>
}

/** Connects to the server at `redisUrl`, or starts an in-memory mock that shares nothing with any other. */
export const openBackend = (redisUrl?: string): Promise<Backend> =>
  redisUrl === undefined ? openMock() : openRedis(redisUrl)
