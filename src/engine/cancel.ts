import { describeError } from '../errors.ts'
import type { Workflow } from '../workflows/contract.ts'
import { dropRuns } from './drop-runs.ts'
import { cancelBatch } from './ledger/cancel-batch.ts'
import type { By } from './ledger/changes.ts'
import { startQueued } from './start.ts'
import type { Services } from './services.ts'

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
  try {
    await startQueued(services, workflow)
  } catch (error) {
    // This batch is cancelled all the same; the tick that reconciles starts the other one.
    console.error(`[${workflow.name}:cancel] ${JSON.stringify({ batchId, ...describeError(error) })}`)
  }
  return true
}
