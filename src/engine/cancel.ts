import { describeError } from '../errors.ts'
import type { Workflow } from '../workflows/contract.ts'
import { dropRuns } from './drop-runs.ts'
import { cancelBatch } from './ledger/cancel-batch.ts'
import type { By } from './ledger/changes.ts'
import { tellInvokers } from './durable/tell-invokers.ts'
import type { Dropped } from './ledger/drop-items.ts'
import { triggerPage } from './resume.ts'
import { startQueued } from './start.ts'
import type { Services } from './services.ts'

/**
 * Ends a batch. The runs that have nothing to do any more are dropped, what durable items have done is undone.
 * False: it was not active.
 */
export async function cancel(
  services: Services,
  workflow: Workflow | undefined,
  batchId: string,
  by: By,
): Promise<boolean> {
  const { isNew, ...dropped } = await cancelBatch(services.db, batchId, by)
  if (workflow === undefined) return isNew
  await dropRuns(services, workflow, batchId, dropped.superseded)
  try {
    await passOnDropped(services, workflow, batchId, dropped)
    if (isNew) await startQueued(services, workflow)
  } catch (error) {
    // This batch is cancelled all the same; the tick that reconciles triggers what is left, and starts the other one.
    console.error(`[${workflow.name}:cancel] ${JSON.stringify({ batchId, ...describeError(error) })}`)
  }
  return isNew
}

/** What follows when items of a cancelled batch were dropped: those that have acted are undone, invokers are told. */
export async function passOnDropped(
  services: Services,
  workflow: Workflow,
  batchId: string,
  { nextPage, isInvoked }: Pick<Dropped, 'nextPage' | 'isInvoked'>,
): Promise<void> {
  if (isInvoked) await tellInvokers(services, { batchId })
  await triggerPage(services, workflow, batchId, nextPage)
}
