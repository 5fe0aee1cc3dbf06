import { isolatedEnv } from '../local/fresh-database.ts'
import type { QstashOptions } from '../local/qstash/index.ts'
import { insertPopulation, type SeedOptions } from '../local/seed/insert.ts'
import { withDatabase } from '../local/seed/seed-database.ts'
import { adminToken, startLocalStack, type LocalStack } from '../local/stack.ts'
import { freePort } from '../local/worker.ts'
import { bundle } from './bundle.ts'
import { startWorkerd } from './workerd.ts'

/** A Worker in a process of its own. */
type Serving = { pid: number; stop: () => Promise<void> }
/** Starts a Worker. */
export type Serve = (options: { port: number; bindings: Record<string, string> }) => Promise<Serving>

export type DeployOptions = {
  /** The number of the Redis database, where that is a real one. */
  redisDatabase: number
  qstash?: QstashOptions
  population?: SeedOptions
  /** Default 1000: nobody waits. */
  flowControlFactor?: number
  /** Default `alone`. */
  serve?: Serve
}

export type Deployed = {
  stack: LocalStack
  url: string
  pid: number
  /** Asks the Worker, as an operator; `path` begins with `/`. */
  call: (method: string, path: string, body?: unknown) => Promise<{ status: number; body: unknown }>
}

/** The built Worker in workerd alone: without cron, assets and wrangler's proxies, for what is many deliveries. */
export const alone: Serve = async ({ port, bindings }) => {
  const { pid, kill } = await startWorkerd({ code: await bundle('src/index.ts'), port, bindings })
  return { pid, stop: kill }
}

/** The Worker from outside, with services of its own, until `cleanup` is disposed of. */
export async function deployed(cleanup: AsyncDisposableStack, options: DeployOptions): Promise<Deployed> {
  const { redisDatabase, population, serve = alone } = options
  const { env, drop } = await isolatedEnv(process.env, redisDatabase)
  cleanup.defer(drop)
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const stack = await startLocalStack(
    {
      appUrl: url,
      flowControlFactor: options.flowControlFactor ?? 1000,
      ...(options.qstash !== undefined && { qstash: options.qstash }),
    },
    env,
  )
  cleanup.defer(() => stack.close())
  if (population !== undefined) {
    await withDatabase(stack.neon.postgresUrl, (db) => insertPopulation(db, population))
  }
  const { pid, stop } = await serve({ port, bindings: stack.bindings })
  cleanup.defer(stop)

  const call = async (method: string, path: string, body?: unknown) => {
    const response = await fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${adminToken}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: response.status, body: await response.json() }
  }
  return { stack, url, pid, call }
}
