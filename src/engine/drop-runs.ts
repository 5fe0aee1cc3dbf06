import { describeError } from '../errors.ts'
import type { Workflow } from '../workflows/contract.ts'
import type { DueItem } from './ledger/due-items.ts'
import type { Services } from './services.ts'
import { itemRun, workflowRunId } from './trigger.ts'

/** QStash takes that many run ids in one URL. */
const idsPerRequest = 100

/**
 * Drops runs of items that have nothing to do any more, so that they take no delivery from those that have. Nothing
 * depends on it: a run that is not dropped finds its item ended or superseded, and ends.
 */
export async function dropRuns(
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
    const fields = { batchId, runs: items.length, ...describeError(error) }
    console.error(`[${workflow.name}:drop] runs were not dropped ${JSON.stringify(fields)}`)
  }
}
