import { startMail, type LocalMail } from './mail/start.ts'
import { migrateDatabase } from './migrate-database.ts'
import { startModel, type LocalModel } from './model/start.ts'
import { startNeon, type LocalNeon } from './neon/start.ts'
import { startPayments, type LocalPayments } from './payments/start.ts'
import { checkPostgresUrl } from './postgres-url.ts'
import { startQstash, type LocalQstash, type QstashOptions } from './qstash/index.ts'
import { startRedis, type LocalRedis } from './redis/start.ts'

export const adminToken = 'local-admin-token'

export type StackOptions = {
  /** Where the Worker will listen. */
  appUrl: string
  qstash?: QstashOptions
  flowControlFactor?: number
}

/** Every service the Worker needs, on this machine, and the bindings that point the Worker at them. */
export type Stack = {
  neon: LocalNeon
  redis: LocalRedis
  model: LocalModel
  mail: LocalMail
  payments: LocalPayments
  /** Null: `QSTASH_URL` in the environment names another QStash. */
  qstash: LocalQstash | null
  bindings: Record<string, string>
  close(): Promise<void>
}

/** One whose QStash is of this process: what moves its clock or takes its deliveries needs that. */
export type LocalStack = Stack & { qstash: LocalQstash }

/** @throws Error when `QSTASH_URL` names another QStash. */
export async function startLocalStack(options: StackOptions, env = process.env): Promise<LocalStack> {
  const stack = await startStack(options, env)
  const { qstash } = stack
  if (qstash !== null) return { ...stack, qstash }
  await stack.close()
  throw new Error('unset QSTASH_URL: this needs the local QStash')
}

/**
 * Starts the local services and migrates the database.
 *
 * `LOCAL_POSTGRES_URL` and `LOCAL_REDIS_URL` choose real servers instead of the embedded ones; `QSTASH_URL`, with its
 * token and signing keys, another QStash.
 */
export async function startStack(options: StackOptions, env = process.env): Promise<Stack> {
  const external = env.QSTASH_URL === undefined ? null : externalQstash(env)
  const postgresUrl = env.LOCAL_POSTGRES_URL
  if (postgresUrl !== undefined) checkPostgresUrl('LOCAL_POSTGRES_URL', postgresUrl)
  const starting = [
    startNeon(postgresUrl === undefined ? {} : { postgresUrl }),
    startRedis(env.LOCAL_REDIS_URL === undefined ? {} : { redisUrl: env.LOCAL_REDIS_URL }),
    startModel(),
    startMail(),
    startPayments(),
    external === null ? startQstash(options.qstash) : Promise.resolve(null),
  ] as const
  try {
    const [neon, redis, model, mail, payments, qstash] = await Promise.all(starting)
    await migrateDatabase(neon.postgresUrl)
    const bindings = {
      // Deliveries of the local QStash come to this Worker, whatever an operator's shell has set.
      APP_URL: external === null ? options.appUrl : (env.APP_URL ?? options.appUrl),
      ENVIRONMENT: 'local',
      ADMIN_TOKEN: adminToken,
      ...serviceBindings({ neon, redis, model, mail, payments }),
      ...(qstash === null ? external : localQstash(qstash)),
      FLOW_CONTROL_FACTOR: String(options.flowControlFactor ?? 1),
    }
    const close = async () => {
      const services = [mail, payments, model, redis, neon]
      await Promise.all([qstash?.close(), ...services.map((service) => service.close())])
    }
    return { neon, redis, model, mail, payments, qstash, bindings, close }
  } catch (error) {
    await closeAll(await Promise.allSettled(starting))
    throw error
  }
}

type Closable = { close(): Promise<void> } | null

/** Leaves nothing running when a service could not be started. */
async function closeAll(settled: readonly PromiseSettledResult<Closable>[]): Promise<void> {
  const started = settled.flatMap((service) => (service.status === 'fulfilled' ? (service.value ?? []) : []))
  await Promise.all(started.map((service) => service.close()))
}

const serviceBindings = ({
  neon,
  redis,
  model,
  mail,
  payments,
}: Omit<Stack, 'qstash' | 'bindings' | 'close'>) => ({
  DATABASE_URL: neon.databaseUrl,
  DATABASE_HTTP_URL: neon.fetchEndpoint,
  UPSTASH_REDIS_REST_URL: redis.url,
  UPSTASH_REDIS_REST_TOKEN: redis.token,
  AI_BASE_URL: model.url,
  AI_API_KEY: model.apiKey,
  AI_MODEL: 'local-model',
  MAIL_URL: mail.url,
  MAIL_API_KEY: mail.apiKey,
  MAIL_FROM: 'Rounds <rounds@example.com>',
  PAYMENTS_URL: payments.url,
  PAYMENTS_API_KEY: payments.apiKey,
})

const localQstash = (qstash: LocalQstash) => ({
  QSTASH_URL: qstash.url,
  QSTASH_TOKEN: qstash.token,
  QSTASH_CURRENT_SIGNING_KEY: qstash.currentSigningKey,
  QSTASH_NEXT_SIGNING_KEY: qstash.nextSigningKey,
})

function externalQstash(env: NodeJS.ProcessEnv): Record<string, string> {
  const names = ['QSTASH_URL', 'QSTASH_TOKEN', 'QSTASH_CURRENT_SIGNING_KEY', 'QSTASH_NEXT_SIGNING_KEY']
  const missing = names.filter((name) => !env[name])
  if (missing.length > 0) throw new Error(`QSTASH_URL is set; also set ${missing.join(', ')}`)
  if (env.APP_URL === undefined && !isLoopback(env.QSTASH_URL ?? '')) {
    throw new Error(
      'QSTASH_URL names a QStash that cannot reach this machine: set APP_URL to a URL that leads here',
    )
  }
  return Object.fromEntries(names.map((name) => [name, env[name] ?? '']))
}

const isLoopback = (url: string) =>
  ['localhost', '127.0.0.1', '[::1]'].includes(URL.parse(url)?.hostname ?? '')
