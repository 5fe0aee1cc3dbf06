import type { Backend, Command, Outcome } from './backend.ts'
import { openCommandTable } from './command-table.ts'
import { exclusive } from './exclusive.ts'
import { openMockClient } from './mock-client.ts'
import { repair } from './mock-repairs.ts'
import { toErrorMessage, toReply } from './reply.ts'

/** An in-memory Redis. */
export async function openMock(): Promise<Backend> {
  const client = openMockClient()
  const table = await openCommandTable(client)
  // Redis runs one command at a time; here a command is several calls of the mock.
  const alone = exclusive()

  const runOne = async (command: Command): Promise<Outcome> => {
    try {
      table.check(command)
      return { result: toReply(await repair(client, table, command)) }
    } catch (error) {
      return { error: toErrorMessage(error) }
    }
  }
  const transaction = async (commands: Command[]): Promise<Outcome[]> => {
    try {
      for (const command of commands) table.check(command)
    } catch (error) {
      throw new Error('EXECABORT Transaction discarded because of previous errors.', { cause: error })
    }
    return alone(() => inOrder(commands, runOne))
  }
  const flush = async () => {
    await alone(() => client.call(['FLUSHALL']))
  }
  return {
    name: 'ioredis-mock',
    run: (commands) => inOrder(commands, (command) => alone(() => runOne(command))),
    transaction,
    flush,
    close: async () => {
      await flush()
      client.disconnect()
    },
  }
}

async function inOrder(commands: Command[], run: (command: Command) => Promise<Outcome>): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  for (const command of commands) outcomes.push(await run(command))
  return outcomes
}
