import { WorkflowRetryAfterError } from '@upstash/workflow'
import { PermanentError } from '../../errors.ts'
import type { Json, Workflow } from '../../workflows/contract.ts'
import type { Claim } from '../ledger/claim.ts'
import type { Services } from '../services.ts'
import { triggerItem } from '../trigger.ts'
import type { ItemPayload } from './execute-payload.ts'
import { drop, passOnAgain } from './pass-on.ts'

/** When to look again whether items at work have left room in the budget. */
const crowdedSeconds = 15

/** What a delivery has to do that could not claim its item. */
export async function notClaimed(
  services: Services,
  workflow: Workflow,
  item: ItemPayload,
  claim: Exclude<Claim, { outcome: 'claimed' }>,
): Promise<Record<string, Json>> {
  const { batchId, itemId } = item
  switch (claim.outcome) {
    case 'finished':
      await passOnAgain(services, workflow, item, claim)
      return { success: claim.status === 'succeeded', itemId, status: claim.status, repeated: true }
    case 'busy':
      throw new WorkflowRetryAfterError(
        `another delivery is working on item ${itemId}`,
        claim.retryAfterSeconds,
      )
    case 'closed':
      if (claim.batchStatus === 'cancelled') await drop(services, workflow, item)
      return { success: false, itemId, message: `batch is ${claim.batchStatus}` }
    case 'crowded':
      await triggerItem(services, workflow, { ...item, attempt: claim.attempt }, crowdedSeconds)
      return { success: false, itemId, message: 'the budget is reserved for items at work' }
    case 'superseded':
      // Whoever gave it its attempt may have died before it could trigger the run.
      if (claim.queued) await triggerItem(services, workflow, { ...item, attempt: claim.attempt })
      return { success: false, itemId, message: 'a later attempt has its own run' }
    case 'unknown':
      throw new PermanentError(`batch ${batchId} of ${workflow.name} has no item ${itemId}`)
  }
}
