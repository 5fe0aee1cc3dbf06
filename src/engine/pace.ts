import { describeError } from '../errors.ts'
import type { Workflow } from '../workflows/contract.ts'
import { layerKey } from './names.ts'
import type { Services } from './services.ts'

/** Deliveries of layer 3 at once, and deliveries of it that start a second. */
export type Pace = { parallelism: number; rate: number }

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
    throw new Error(`QStash did not take the pace of ${workflow.name}`, { cause: error })
  }
}

/** The same, where nothing depends on it: the reconcile tick tries again. */
export async function tryToPinPace(services: Services, workflow: Workflow, pace: Pace): Promise<void> {
  try {
    await pinPace(services, workflow, pace)
  } catch (error) {
    console.error(`[${workflow.name}:pace] ${JSON.stringify({ ...pace, ...describeError(error) })}`)
  }
}
