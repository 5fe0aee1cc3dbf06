import { WorkflowRetryAfterError } from '@upstash/workflow'
import ms from 'ms'
import { z } from 'zod'
import { PermanentError } from '../../errors.ts'
import type { Json, Workflow } from '../../workflows/contract.ts'
import { claimItem, type Claim } from '../ledger/claim.ts'
import { abandonItem, dropItem } from '../ledger/end-item.ts'
import { itemState, type ItemState } from '../ledger/item-state.ts'
import { rounds } from '../ledger/changes.ts'
import { pauseBatch } from '../ledger/pause-batch.ts'
import { storedResult } from '../ledger/results.ts'
import { itemError } from '../item-error.ts'
import { itemIdField } from '../names.ts'
import type { Services } from '../services.ts'
import { itemRun, triggerRuns } from '../trigger.ts'
import type { Layer } from './layer.ts'
import { passOn } from './pass-on.ts'
import { workOnItem } from './work-on-item.ts'

/** When to look again whether items at work have left room in the budget. */
const crowdedSeconds = 15

type Payload = { batchId: string; itemId: string; attempt: number }

/** Layer 3: one item, claimed, worked on and saved in one step. */
export const executeLayer: Layer<Payload> = {
  payload(workflow) {
    const field = itemIdField(workflow)
    return z
      .strictObject({ batchId: z.uuid(), attempt: z.int().min(1), [field]: z.string() })
      .transform(({ batchId, attempt, [field]: itemId }) => ({
        batchId: String(batchId),
        attempt: Number(attempt),
        itemId: String(itemId),
      }))
  },

  async run(services, workflow, item, { retried }) {
    const timeout = ms(workflow.timeout)
    // Before the claim, so that the work is aborted no later than its lease ends.
    const signal = AbortSignal.timeout(timeout)
    const lease = { token: crypto.randomUUID(), seconds: timeout / 1000 }
    const claim = await claimItem(services.db, workflow, item, lease)
    if (claim.outcome === 'claimed') {
      const lastTry = retried >= workflow.layers.execute.retries
      return await workOnItem(services, workflow, { ...item, ...claim, lastTry, signal })
    }
    return await notClaimed(services, workflow, item, claim)
  },

  async failed(services, workflow, item, { reason }) {
    const { db } = services
    const { pageSize } = workflow
    const error = await itemError(Object.assign(new Error(reason), { name: 'RunFailed' }), 'run', item.itemId)
    const ended = await abandonItem(db, { ...item, pageSize }, { status: 'failed', error })
    if (ended !== undefined) return await passOn(services, workflow, item, { ...ended, made: null })
    const state = await itemState(db, item)
    if (state === undefined) return
    // When no report comes late enough, the tick that reconciles finds the item once its lease is over.
    if (state.status === 'running') throw new Error(`item ${item.itemId} may still be at work`)
    if (state.status === 'queued') {
      // No delivery ever reached it: it is not the item that is broken.
      const lost = `the run of item ${item.itemId} was lost: ${reason}`
      await pauseBatch(db, item.batchId, 'lost_run', { ...rounds, reason: lost })
    } else await finishAgain(services, workflow, item, state)
  },
}

async function notClaimed(
  services: Services,
  workflow: Workflow,
  item: Payload,
  claim: Exclude<Claim, { outcome: 'claimed' }>,
): Promise<Record<string, Json>> {
  const { batchId, itemId } = item
  switch (claim.outcome) {
    case 'finished':
      await finishAgain(services, workflow, item, claim)
      return { success: claim.status === 'succeeded', itemId, status: claim.status, repeated: true }
    case 'busy':
      throw new WorkflowRetryAfterError(
        `another delivery is working on item ${itemId}`,
        claim.retryAfterSeconds,
      )
    case 'closed':
      if (claim.batchStatus === 'cancelled') {
        await dropItem(services.db, { ...item, pageSize: workflow.pageSize })
      }
      return { success: false, itemId, message: `batch is ${claim.batchStatus}` }
    case 'crowded':
      await triggerRuns(services, workflow, [
        {
          ...itemRun(workflow, batchId, { id: itemId, attempt: claim.attempt }),
          delaySeconds: crowdedSeconds,
        },
      ])
      return { success: false, itemId, message: 'the budget is reserved for items at work' }
    case 'superseded':
      // Whoever gave it its attempt may have died before it could trigger the run.
      if (claim.queued)
        await triggerRuns(services, workflow, [
          itemRun(workflow, batchId, { id: itemId, attempt: claim.attempt }),
        ])
      return { success: false, itemId, message: 'a later attempt has its own run' }
    case 'unknown':
      throw new PermanentError(`batch ${batchId} of ${workflow.name} has no item ${itemId}`)
  }
}

/** What a delivery that was interrupted after its save may have left undone. */
async function finishAgain(
  services: Services,
  workflow: Workflow,
  item: Payload,
  { status, scope, nextPage, batchStatus }: ItemState,
): Promise<void> {
  const result = status === 'succeeded' ? await storedResult(services.db, workflow, scope, item.itemId) : null
  const made = result === null ? null : { scope, result }
  await passOn(services, workflow, item, { nextPage, batchStatus, made })
}
