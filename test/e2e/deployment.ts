import { afterAll } from 'vitest'
import { z } from 'zod'
import { isolatedEnv } from '../local/fresh-database.ts'
import type { QstashOptions } from '../local/qstash/index.ts'
import { insertPopulation, type SeedOptions } from '../local/seed/insert.ts'
import { withDatabase } from '../local/seed/seed-database.ts'
import { adminToken, startStack } from '../local/stack.ts'
import { freePort, startWorker } from '../local/worker.ts'
import { bundle } from '../support/bundle.ts'
import { startWorkerd } from '../support/workerd.ts'

const count = z.int()
const batchSchema = z.object({
  id: z.string(),
  status: z.string(),
  startedBy: z.string(),
  counts: z.object({ recorded: count, succeeded: count, skipped: count, failed: count, cancelled: count }),
})

export type DeploymentOptions = {
  qstash?: QstashOptions
  population?: SeedOptions
  /** Default 1000: nobody waits. */
  flowControlFactor?: number
  /** The project to run under `wrangler dev`; default this one. */
  root?: string
  /** Runs the built Worker in workerd alone, without cron, assets and wrangler's proxies: for what is many deliveries. */
  alone?: boolean
}

/** The built Worker in a process of its own, with services of its own; stopped after the file's tests. */
export async function deployment(options: DeploymentOptions = {}) {
  const cleanup = new AsyncDisposableStack()
  afterAll(() => cleanup.disposeAsync())
  const { env, drop } = await isolatedEnv(process.env, Number(process.env.VITEST_POOL_ID))
  cleanup.defer(drop)
  const port = await freePort()
  const stack = await startStack(
    {
      appUrl: `http://127.0.0.1:${port}`,
      // Retries wait seconds by definition; here a hundredth of that.
      qstash: { timeScale: 0.01, ...options.qstash },
      flowControlFactor: options.flowControlFactor ?? 1000,
    },
    env,
  )
  cleanup.defer(() => stack.close())
  const { qstash } = stack
  if (qstash === null) throw new Error('unset QSTASH_URL: the tests need the local QStash')
  const { population } = options
  if (population !== undefined) {
    await withDatabase(stack.neon.postgresUrl, (db) => insertPopulation(db, population))
  }
  const url = `http://127.0.0.1:${port}`
  cleanup.defer(await serve(port, stack.bindings, options))

  const call = async (method: string, path: string, body?: unknown) => {
    const response = await fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${adminToken}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: response.status, body: await response.json() }
  }
  const batch = async (id: string) => batchSchema.parse((await call('GET', `/api/admin/batches/${id}`)).body)
  return {
    stack: { ...stack, qstash },
    url,
    call,
    batch,
    /** Starts a batch and waits until QStash has nothing more to deliver. */
    run: async (workflow: string, body: unknown = {}) => {
      const answer = await call('POST', `/api/admin/workflows/${workflow}/batches`, body)
      const { id } = batchSchema.parse(answer.body)
      await qstash.idle({ timeoutMs: 60_000 })
      return await batch(id)
    },
    batches: async () =>
      z.object({ data: z.array(batchSchema) }).parse((await call('GET', '/api/admin/batches')).body).data,
  }
}

/** Starts the Worker, and says how it is stopped. */
async function serve(
  port: number,
  bindings: Record<string, string>,
  { alone = false, root }: DeploymentOptions,
): Promise<() => Promise<void>> {
  if (alone) {
    const worker = await startWorkerd({ code: await bundle('src/index.ts'), port, bindings })
    return () => worker.kill()
  }
  const worker = await startWorker({ port, bindings, ...(root !== undefined && { root }) })
  return () => worker.stop()
}
