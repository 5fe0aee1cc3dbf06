import { afterAll } from 'vitest'
import { z } from 'zod'
import { startWorker } from '../local/worker.ts'
import { deployed, type DeployOptions, type Serve } from '../support/deployed.ts'

const count = z.int()
const batchSchema = z.object({
  id: z.string(),
  status: z.string(),
  startedBy: z.string(),
  counts: z.object({ recorded: count, succeeded: count, skipped: count, failed: count, cancelled: count }),
})

/** The Worker under `wrangler dev`. @param root the project; default this one. */
export const underWrangler =
  (root?: string): Serve =>
  async ({ port, bindings }) => {
    const worker = await startWorker({ port, bindings, ...(root !== undefined && { root }) })
    return { pid: worker.pid, stop: () => worker.stop() }
  }

/**
 * The built Worker in a process of its own, with services of its own; stopped after the file's tests.
 *
 * @param options.serve default `wrangler dev`.
 */
export async function deployment(options: Omit<DeployOptions, 'redisDatabase'> = {}) {
  const cleanup = new AsyncDisposableStack()
  afterAll(() => cleanup.disposeAsync())
  const { stack, url, call } = await deployed(cleanup, {
    redisDatabase: Number(process.env.VITEST_POOL_ID),
    serve: underWrangler(),
    ...options,
    // Retries wait seconds by definition; here a hundredth of that.
    qstash: { timeScale: 0.01, ...options.qstash },
  })
  const batch = async (id: string) => batchSchema.parse((await call('GET', `/api/admin/batches/${id}`)).body)
  return {
    stack,
    url,
    call,
    batch,
    /** Starts a batch and waits until QStash has nothing more to deliver. */
    run: async (workflow: string, body: unknown = {}) => {
      const answer = await call('POST', `/api/admin/workflows/${workflow}/batches`, body)
      const { id } = batchSchema.parse(answer.body)
      await stack.qstash.idle({ timeoutMs: 60_000 })
      return await batch(id)
    },
    batches: async () =>
      z.object({ data: z.array(batchSchema) }).parse((await call('GET', '/api/admin/batches')).body).data,
  }
}
