import { Client as QstashClient } from '@upstash/qstash'
import { Client } from '@upstash/workflow'
import type { Env } from '../env.ts'

type Messages = Parameters<QstashClient['batch']>[0]

/** Fails when QStash refuses any message of a request: its answer is a success all the same. */
class CheckedQstashClient extends QstashClient {
  override async batch(messages: Messages): ReturnType<QstashClient['batch']> {
    const answers = await super.batch(messages)
    const refused = answers.filter((answer) => !('messageId' in answer))
    if (refused.length > 0) {
      throw new Error(`${refused.length} of ${messages.length} refused: ${JSON.stringify(refused[0])}`)
    }
    return answers
  }
}

/** Clients that do not take a request which QStash refused in part for a success: for steps, and for triggers. */
export function createClients(env: Env): { qstash: QstashClient; client: Client } {
  const config = { baseUrl: env.QSTASH_URL, token: env.QSTASH_TOKEN }
  const qstash = new CheckedQstashClient(config)
  const client = new Client(config)
  // The SDK does not let its inner client be given; a test notices if the field moves.
  Object.defineProperty(client, 'client', { value: qstash })
  return { qstash, client }
}
