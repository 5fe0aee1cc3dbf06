import { describeError } from '../errors.ts'
import type { Workflow } from '../workflows/contract.ts'
import { dropRuns } from './drop-runs.ts'
import { freeKey, rounds, type By } from './ledger/changes.ts'
import { pauseBatch } from './ledger/pause-batch.ts'
import { resumeBatch, type Resumed, type ResumeOptions } from './ledger/resume-batch.ts'
import type { NextPage } from './ledger/settle.ts'
import type { Services } from './services.ts'
import { pageRun, triggerRuns } from './trigger.ts'

/**
 * Lets a paused batch go on, or triggers again whatever a running one still has to do.
 *
 * @throws Error when QStash cannot be reached; a batch that was to run is then paused, and what lasts on of a completed one
 * is found by the tick that reconciles.
 */
export async function resume(
  services: Services,
  workflow: Workflow,
  batchId: string,
  by: By,
  options: ResumeOptions = {},
): Promise<Resumed['outcome']> {
  const resumed = await resumeBatch(services.db, batchId, by, options)
  if (resumed.outcome === 'resumed') {
    await dropRuns(services, workflow, batchId, resumed.superseded)
    await goOn(services, workflow, batchId, resumed.nextPage, by)
  }
  if (resumed.outcome === 'repeated') await triggerPage(services, workflow, batchId, resumed.nextPage)
  return resumed.outcome
}

/**
 * Triggers a page, if there is one to trigger. A batch that QStash cannot be told to go on with is paused, and whoever
 * asked for it may ask again with the same key.
 */
export async function goOn(
  services: Services,
  workflow: Workflow,
  batchId: string,
  nextPage: NextPage | null,
  { key }: By = rounds,
): Promise<void> {
  try {
    await triggerPage(services, workflow, batchId, nextPage)
  } catch (error) {
    await pauseBatch(services.db, batchId, 'lost_run', { ...rounds, reason: describeError(error).message })
    if (key !== undefined) await freeKey(services.db, key)
    throw error
  }
}

/**
 * Triggers a page, if there is one to trigger.
 *
 * @throws Error when QStash cannot be reached; the tick that reconciles triggers the page later.
 */
export async function triggerPage(
  services: Services,
  workflow: Workflow,
  batchId: string,
  nextPage: NextPage | null,
): Promise<void> {
  if (nextPage === null) return
  await triggerRuns(services, workflow, [pageRun(batchId, nextPage.page, nextPage.attempt)])
}
