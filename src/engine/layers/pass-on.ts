import type { Json, Result, Workflow } from '../../workflows/contract.ts'
import type { NextPage } from '../ledger/settle-batch.ts'
import type { Services } from '../services.ts'
import { pageRun, triggerRuns } from '../trigger.ts'

/** What follows the end of an item: the page it made room for, and its result where readers look. May be repeated. */
export async function passOn(
  services: Services,
  workflow: Workflow,
  { batchId, itemId }: { batchId: string; itemId: string },
  { nextPage, result }: { nextPage: NextPage | null; result: Result<Json> | null },
): Promise<void> {
  if (nextPage !== null) {
    await triggerRuns(services, workflow, [pageRun(batchId, nextPage.page, nextPage.attempt)])
  }
  if (result !== null) await workflow.publish({ cache: services.cache }, itemId, result)
}
