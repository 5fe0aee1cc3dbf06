import { describeError } from '../errors.ts'
import type { Workflow } from '../workflows/contract.ts'
import { rounds, type By } from './ledger/changes.ts'
import { pauseBatch } from './ledger/pause-batch.ts'
import { resumeBatch, type Resumed } from './ledger/resume-batch.ts'
import type { NextPage } from './ledger/settle.ts'
import type { Services } from './services.ts'
import { pageRun, triggerRuns } from './trigger.ts'

/**
 * Lets a paused batch go on, or triggers again whatever a running one still has to do.
 *
 * @throws Error when QStash cannot be reached; the batch is then paused.
 */
export async function resume(
  services: Services,
  workflow: Workflow,
  batchId: string,
  by: By,
): Promise<Resumed['outcome']> {
  const resumed = await resumeBatch(services.db, batchId, by)
  if (resumed.outcome === 'resumed') await goOn(services, workflow, batchId, resumed.nextPage)
  return resumed.outcome
}

/** Triggers a page, if there is one to trigger; a batch that QStash cannot be told to go on with is paused. */
export async function goOn(
  services: Services,
  workflow: Workflow,
  batchId: string,
  nextPage: NextPage | null,
): Promise<void> {
  if (nextPage === null) return
  try {
    await triggerRuns(services, workflow, [pageRun(batchId, nextPage.page, nextPage.attempt)])
  } catch (error) {
    await pauseBatch(services.db, batchId, 'lost_run', { ...rounds, reason: describeError(error).message })
    throw error
  }
}
