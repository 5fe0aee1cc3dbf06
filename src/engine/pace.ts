import { QstashError } from '@upstash/qstash'
import { z } from 'zod'
import { describeError, ServiceError } from '../errors.ts'
import type { Workflow } from '../workflows/contract.ts'
import { findBatch } from './ledger/read-batches.ts'
import { logHeal } from './ledger/log-heal.ts'
import { layerKey } from './names.ts'
import type { Services } from './services.ts'

/** Deliveries of layer 3 at once, and deliveries of it that start a second. */
export type Pace = { parallelism: number; rate: number }

/** The pace of a batch, which is slower than its own while the model asks for less. */
export const paceOf = (batch: Pace & { throttledRate: number | null }): Pace => ({
  parallelism: batch.parallelism,
  rate: batch.throttledRate ?? batch.rate,
})

/**
 * Pins the pace of a workflow's items at QStash, where it holds also for the runs that wait there already. The pin
 * stays until the next batch begins with its own.
 *
 * @throws Error when QStash did not take it.
 */
export async function pinPace({ env, qstash }: Services, workflow: Workflow, pace: Pace): Promise<void> {
  try {
    await qstash.flowControl.pin(layerKey(env.ENVIRONMENT, workflow, 'execute'), { ...pace, period: 1 })
  } catch (error) {
    throw new ServiceError(
      `QStash did not take the pace of ${workflow.name}, which is stored and will be pinned later`,
      {
        cause: error,
      },
    )
  }
}

/**
 * Pins the pace that a batch has, where nothing depends on it: the reconcile tick tries again. It is read again
 * afterwards, so that of many who pin at once the last one leaves what is stored.
 */
export async function tryToPinPace(services: Services, workflow: Workflow, batchId: string): Promise<void> {
  try {
    let pinned: Pace | undefined
    for (let round = 0; round < 3; round += 1) {
      const batch = await findBatch(services.db, batchId)
      if (batch === undefined || !['running', 'paused'].includes(batch.status)) return
      const pace = paceOf(batch)
      if (pace.parallelism === pinned?.parallelism && pace.rate === pinned.rate) return
      await pinPace(services, workflow, pace)
      pinned = pace
    }
  } catch (error) {
    console.error(`[${workflow.name}:pace] ${JSON.stringify({ batchId, ...describeError(error) })}`)
  }
}

const pinned = z.object({
  parallelismMax: z.number().default(0),
  rateMax: z.number().default(0),
  ratePeriod: z.number().default(0),
  isPinnedParallelism: z.boolean().default(false),
  isPinnedRate: z.boolean().default(false),
})

/**
 * Pins the pace of a running batch again when QStash has another one, and logs that. A key that QStash does not know
 * has nothing to be paced.
 *
 * @throws Error when QStash does not answer.
 */
export async function healPace(services: Services, workflow: Workflow, id: string): Promise<void> {
  const key = layerKey(services.env.ENVIRONMENT, workflow, 'execute')
  let found: z.output<typeof pinned>
  try {
    found = pinned.parse(await services.qstash.flowControl.get(key))
  } catch (error) {
    if (error instanceof QstashError && error.status === 404) return
    throw error
  }
  // Read after QStash was asked: the operator may have changed it meanwhile.
  const batch = await findBatch(services.db, id)
  if (batch?.status !== 'running') return
  const { parallelism, rate } = paceOf(batch)
  const { parallelismMax, rateMax, ratePeriod, isPinnedParallelism, isPinnedRate } = found
  const isOurs = isPinnedParallelism && isPinnedRate && ratePeriod === 1
  if (isOurs && parallelismMax === parallelism && rateMax === rate) return
  await pinPace(services, workflow, { parallelism, rate })
  await logHeal(services.db, id, {
    action: 'heal.pace',
    before: { parallelism: parallelismMax, rate: rateMax },
    after: { parallelism, rate },
    reason: null,
  })
}
