import { freshDatabase } from '../fresh-database.ts'
import { checkPostgresUrl } from '../postgres-url.ts'
import { seedDatabase } from '../seed/seed-database.ts'
import type { SeedOptions, Seeded } from '../seed/insert.ts'
import { startStack, type Stack } from '../stack.ts'
import { freePort, startWorker, type RunningWorker } from '../worker.ts'

/** So that nobody waits: the definitions' limits suit a paid model. */
const flowControlFactor = 100

export type StartOptions = {
  population: Pick<SeedOptions, 'users' | 'agents'>
  /** Leave the database there. */
  keep: boolean
  signal: AbortSignal
  /** Undoes what was started. */
  cleanup: AsyncDisposableStack
  say: (text: string) => void
  env: NodeJS.ProcessEnv
}

/** Everything that the demo needs, up and seeded. */
export type DemoStack = { stack: Stack; worker: RunningWorker; seeded: Seeded }

/** Starts the services and the Worker and seeds the database. */
export async function startDemo(options: StartOptions): Promise<DemoStack> {
  const { cleanup, signal } = options
  const env = await ownDatabase(options)
  const port = env.APP_URL === undefined ? await freePort() : Number(new URL(env.APP_URL).port || 8787)
  const stack = await startStack({ appUrl: `http://127.0.0.1:${port}`, flowControlFactor }, env)
  cleanup.defer(() => stack.close())
  signal.throwIfAborted()
  const seeded = await seedDatabase(stack.neon.postgresUrl, { ...options.population, signal })
  const worker = await startWorker({ port, bindings: stack.bindings, signal })
  cleanup.defer(() => worker.stop())
  return { stack, worker, seeded }
}

/** The environment with a database of the demo's own. */
async function ownDatabase({ keep, cleanup, say, env: given }: StartOptions): Promise<NodeJS.ProcessEnv> {
  const env = { ...given }
  // The local QStash reaches this machine anyway, and the Worker is on a port of its own.
  if (env.QSTASH_URL === undefined) delete env.APP_URL
  const serverUrl = env.LOCAL_POSTGRES_URL
  if (serverUrl === undefined) return env
  const database = await freshDatabase(checkPostgresUrl('LOCAL_POSTGRES_URL', serverUrl))
  if (database === null) {
    say('LOCAL_POSTGRES_URL may not create a database: using its own, with what is in it')
    return env
  }
  if (!keep) cleanup.defer(() => database.drop())
  return { ...env, LOCAL_POSTGRES_URL: database.url }
}
