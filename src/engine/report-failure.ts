import type { Workflow } from '../workflows/contract.ts'
import { executeLayer } from './layers/execute.ts'
import type { Failure } from './layers/layer.ts'
import { paginateLayer } from './layers/paginate.ts'
import { processLayer } from './layers/process.ts'
import { logHeal } from './ledger/log-heal.ts'
import type { Services } from './services.ts'

/** A run that failed, what of the batch it was for, and at which attempt: the item's, else the batch's. */
export type FailedRun = { attempt: number } & (
  { layer: 'process' } | { layer: 'paginate'; page: number } | { layer: 'execute'; itemId: string }
)

/**
 * Does what QStash's report of a run that failed for good would have done, had it not been lost. May be repeated; the
 * heal is logged once.
 */
export async function reportFailure(
  services: Services,
  workflow: Workflow,
  batchId: string,
  run: FailedRun,
  reason: string,
): Promise<void> {
  // Before it is done: what is done twice changes nothing, but what is done and not logged is never known.
  await logHeal(services.db, batchId, {
    action: 'heal.failure-report',
    after: { ...run, reason },
    reason,
    key: `heal:${batchId}:${JSON.stringify(run)}`,
  })
  const failure: Failure = { reason }
  switch (run.layer) {
    case 'process':
      return await processLayer.failed(services, workflow, { batchId }, failure)
    case 'paginate':
      return await paginateLayer.failed(services, workflow, { batchId, page: run.page }, failure)
    case 'execute': {
      const { itemId, attempt } = run
      return await executeLayer.failed(services, workflow, { batchId, itemId, attempt }, failure)
    }
  }
}
