import { drizzle } from 'drizzle-orm/node-postgres'
import { migrate } from 'drizzle-orm/node-postgres/migrator'
import pg from 'pg'
import { startModel, type LocalModel } from './model/start.ts'
import { startNeon, type LocalNeon } from './neon/start.ts'
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
  /** Null: `QSTASH_URL` in the environment names another QStash. */
  qstash: LocalQstash | null
  bindings: Record<string, string>
  close(): Promise<void>
}

/**
 * Starts the local services and migrates the database.
 *
 * `LOCAL_POSTGRES_URL` and `LOCAL_REDIS_URL` choose real servers instead of the embedded ones; `QSTASH_URL`, with its
 * token and signing keys, another QStash.
 */
export async function startStack(options: StackOptions, env = process.env): Promise<Stack> {
  const [neon, redis, model, qstash] = await Promise.all([
    startNeon(env.LOCAL_POSTGRES_URL === undefined ? {} : { postgresUrl: env.LOCAL_POSTGRES_URL }),
    startRedis(env.LOCAL_REDIS_URL === undefined ? {} : { redisUrl: env.LOCAL_REDIS_URL }),
    startModel(),
    env.QSTASH_URL === undefined ? startQstash(options.qstash) : null,
  ])
  await migrateDatabase(neon.postgresUrl)
  return {
    neon,
    redis,
    model,
    qstash,
    bindings: {
      APP_URL: env.APP_URL ?? options.appUrl,
      ENVIRONMENT: 'local',
      ADMIN_TOKEN: adminToken,
      DATABASE_URL: neon.databaseUrl,
      DATABASE_HTTP_URL: neon.fetchEndpoint,
      UPSTASH_REDIS_REST_URL: redis.url,
      UPSTASH_REDIS_REST_TOKEN: redis.token,
      ...(qstash === null ? externalQstash(env) : localQstash(qstash)),
      AI_BASE_URL: model.url,
      AI_API_KEY: model.apiKey,
      AI_MODEL: 'local-model',
      FLOW_CONTROL_FACTOR: String(options.flowControlFactor ?? 1),
    },
    async close() {
      await Promise.all([qstash?.close(), model.close(), redis.close(), neon.close()])
    },
  }
}

/** Brings a database's schema up to date. */
export async function migrateDatabase(postgresUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: postgresUrl })
  await client.connect()
  try {
    await migrate(drizzle(client), { migrationsFolder: `${import.meta.dirname}/../../migrations` })
  } finally {
    await client.end()
  }
}

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
  return Object.fromEntries(names.map((name) => [name, env[name] ?? '']))
}
