import { describeError } from '../errors.ts'
import type { Workflow } from '../workflows/contract.ts'
import { pauseBatch } from './ledger/pause-batch.ts'
import { resumeBatch } from './ledger/resume-batch.ts'
import type { Services } from './services.ts'
import { pageRun, triggerRuns } from './trigger.ts'

/**
 * Lets a paused batch go on, or triggers again whatever a running one still has to do. False: it is neither.
 *
 * @throws Error when QStash cannot be reached; the batch is then paused.
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
