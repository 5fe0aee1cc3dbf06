import { describeError } from '../errors.ts'
import type { Workflow } from '../workflows/contract.ts'
import { cancelBatch, pauseBatch, resumeBatch } from './ledger/control.ts'
import type { Services } from './services.ts'
import { pageRun, triggerRuns } from './trigger.ts'

/** Stops new items from starting. False: the batch was not running. */
export const pause = ({ db }: Services, _workflow: Workflow, batchId: string): Promise<boolean> =>
  pauseBatch(db, batchId, null)

/**
 * Lets a paused batch go on. False: it was not paused.
 *
 * @throws Error when QStash cannot be reached; the batch is then paused again.
 */
export async function resume(services: Services, workflow: Workflow, batchId: string): Promise<boolean> {
  const next = await resumeBatch(services.db, batchId)
  if (next === undefined) return false
  if (next === null) return true
  try {
    await triggerRuns(services, workflow, [pageRun(batchId, next.page, next.attempt)])
  } catch (error) {
    await pauseBatch(services.db, batchId, describeError(error).message)
    throw error
  }
  return true
}

/** Ends a batch: queued items are cancelled, running ones finish. False: the batch was not active. */
export const cancel = ({ db }: Services, _workflow: Workflow, batchId: string): Promise<boolean> =>
  cancelBatch(db, batchId)
