import { Hono } from 'hono'
import type { MiddlewareHandler } from 'hono'
import { FaultSwitch } from '../fault-switch.ts'
import { localRoutes } from '../local-routes.ts'
import { listen, type LocalServer } from '../server.ts'
import { openBackend, type Backend } from './backend.ts'
import { protocol } from './protocol.ts'
import { toErrorMessage } from './reply.ts'
import { Statistics, type RedisStats } from './statistics.ts'

/** A local service that speaks the REST protocol of Upstash Redis. */
export type LocalRedis = LocalServer & {
  token: string
  backend: Backend['name']
  stats(): RedisStats
  /** Clears faults and statistics; the data stays. */
  clear(): void
  /** Empties the database (the one that `redisUrl` names) and clears faults and statistics. */
  reset(): Promise<void>
}

/**
 * Starts a local Upstash Redis.
 *
 * @param options.port TCP port; a free one when absent.
 * @param options.redisUrl a Redis server to use, database number included; without it an in-memory mock.
 * @param options.token the bearer token that clients must send.
 * @example
 * const redis = await startRedis()
 * const client = new Redis({ url: redis.url, token: redis.token })
 */
export async function startRedis(
  options: { port?: number; redisUrl?: string; token?: string } = {},
): Promise<LocalRedis> {
  const token = options.token ?? 'rounds-local'
  const backend = await openBackend(options.redisUrl)
  const faults = new FaultSwitch((message) => ({ error: `ERR ${message}` }))
  const statistics = new Statistics()
  const clear = () => {
    faults.clear()
    statistics.clear()
  }
  const reset = async () => {
    clear()
    await backend.flush()
  }
  const app = new Hono()
    .route('/local', localRoutes({ faults, stats: () => statistics.read(), reset }))
    .use(statistics.middleware, faults.middleware, authorize(token))
    .route(
      '/',
      protocol(backend, (commands) => statistics.add(commands)),
    )
    .onError((error) => Response.json({ error: toErrorMessage(error) }, { status: 400 }))
  const server = await listen(app, options)
  return {
    ...server,
    token,
    backend: backend.name,
    stats: () => statistics.read(),
    clear,
    reset,
    close: async () => {
      await server.close()
      await backend.close()
    },
  }
}

const authorize =
  (token: string): MiddlewareHandler =>
  async (c, next) => {
    const given = c.req.query('_token') ?? c.req.header('authorization')?.replace(/^Bearer\s+/i, '')
    if (given !== token) return c.json({ error: 'WRONGPASS invalid or missing auth token' }, 401)
    await next()
    return undefined
  }
