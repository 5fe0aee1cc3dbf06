import { once } from 'node:events'
import { isolatedEnv } from '../local/fresh-database.ts'
import { startLocalStack } from '../local/stack.ts'

/**
 * Starts the local services for the tests inside workerd, which take the deliveries themselves, and says on standard
 * output where they are. Ends with standard input.
 *
 * Usage: node stack.ts <number of the Redis database>
 */
const { env, drop } = await isolatedEnv(process.env, Number(process.argv[2]))
const stack = await startLocalStack(
  { appUrl: 'https://rounds.test', qstash: { mode: 'pull' }, flowControlFactor: 1000 },
  env,
)
const services = {
  neon: stack.neon.url,
  redis: stack.redis.url,
  model: new URL(stack.model.url).origin,
  mail: stack.mail.url,
  payments: stack.payments.url,
  qstash: stack.qstash.url,
}
console.log(JSON.stringify({ bindings: stack.bindings, postgres: stack.neon.backend, services }))

process.stdin.resume()
await once(process.stdin, 'end')
await stack.close()
await drop()
process.exit()
