import { describeError } from '../errors.ts'
import type { Workflow } from '../workflows/contract.ts'
import { cancelBatch } from './ledger/cancel-batch.ts'
import type { By } from './ledger/changes.ts'
import type { DueItem } from './ledger/due-items.ts'
import { startQueued } from './start.ts'
import type { Services } from './services.ts'
import { itemRun, workflowRunId } from './trigger.ts'

/** QStash takes that many run ids in one URL. */
const idsPerRequest = 100

/** Ends a batch. The runs of items that no delivery had reached are dropped. False: it was not active. */
export async function cancel(
  services: Services,
  workflow: Workflow | undefined,
  batchId: string,
  by: By,
): Promise<boolean> {
  const untouched = await cancelBatch(services.db, batchId, by)
  if (untouched === undefined) return false
  if (workflow === undefined) return true
  await dropRuns(services, workflow, batchId, untouched)
  await startQueued(services, workflow)
  return true
}

/** Runs that are not dropped find the batch cancelled and end by themselves, so nothing depends on this. */
async function dropRuns(
  services: Services,
  workflow: Workflow,
  batchId: string,
  items: readonly DueItem[],
): Promise<void> {
  try {
    for (let start = 0; start < items.length; start += idsPerRequest) {
      const chunk = items.slice(start, start + idsPerRequest)
      const ids = await Promise.all(
        chunk.map((item) => workflowRunId(services.env, workflow, itemRun(workflow, batchId, item))),
      )
      await services.client.cancel(ids.map((id) => `wfr_${id}`))
    }
  } catch (error) {
    console.error(
      `[${workflow.name}:cancel] runs were not dropped ${JSON.stringify({ batchId, ...describeError(error) })}`,
    )
  }
}
