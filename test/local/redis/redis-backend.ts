import Redis, { type ChainableCommander } from 'ioredis'
import type { Backend, Command, Outcome } from './backend.ts'
import { toErrorMessage, toReply } from './reply.ts'

/** A real Redis; flushing empties the database number that the URL names. */
export async function openRedis(redisUrl: string): Promise<Backend> {
  const client = new Redis(redisUrl, { lazyConnect: true, maxRetriesPerRequest: 1 })
  // Commands report their own errors; without a listener ioredis also logs those of the connection.
  client.on('error', () => {})
  try {
    await client.connect()
  } catch (error) {
    client.disconnect()
    throw new Error(`no Redis answers at ${new URL(redisUrl).host}`, { cause: error })
  }
  return {
    name: 'Redis',
    run: (commands) => exec(client.pipeline(), commands),
    transaction: (commands) => exec(client.multi(), commands),
    flush: async () => {
      await client.flushdb()
    },
    close: async () => {
      await client.quit()
    },
  }
}

async function exec(chain: ChainableCommander, commands: Command[]): Promise<Outcome[]> {
  for (const [name, ...args] of commands) chain.call(name, ...args)
  const results = (await chain.exec()) ?? []
  return results.map(([error, result]) =>
    error ? { error: toErrorMessage(error) } : { result: toReply(result) },
  )
}
