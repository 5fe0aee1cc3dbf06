import { WorkflowRetryAfterError } from '@upstash/workflow'
import { and, eq } from 'drizzle-orm'
import ms from 'ms'
import { z } from 'zod'
import { batchItems } from '../../db/schema.ts'
import { PermanentError } from '../../errors.ts'
import type { Json, Workflow } from '../../workflows/contract.ts'
import { claimItem, type Claim } from '../ledger/claim.ts'
import { abandonItem } from '../ledger/end-item.ts'
import { storedResult } from '../ledger/results.ts'
import { itemIdField } from '../names.ts'
import type { Services } from '../services.ts'
import { pageRun, triggerRuns } from '../trigger.ts'
import type { Layer } from './layer.ts'
import { workOnItem } from './work-on-item.ts'

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
    const claim = await claimItem(services.db, item, lease)
    if (claim.outcome === 'claimed') {
      const lastTry = retried >= workflow.layers.execute.retries
      return await workOnItem(services, workflow, { ...item, ...claim, lastTry, signal })
    }
    return await notClaimed(services, workflow, item, claim)
  },

  async failed({ db }, workflow, { batchId, itemId, attempt }, reason) {
    const error = { name: 'RunFailed', message: reason }
    const item = { batchId, itemId, attempt, pageSize: workflow.pageSize }
    if ((await abandonItem(db, item, { status: 'failed', error })) !== undefined) return
    const held = and(
      eq(batchItems.batchId, batchId),
      eq(batchItems.itemId, itemId),
      eq(batchItems.attempt, attempt),
      eq(batchItems.status, 'running'),
    )
    const [live] = await db.select({ id: batchItems.itemId }).from(batchItems).where(held)
    if (live !== undefined) throw new Error(`item ${itemId} is still being worked on`)
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
        const error = { name: 'Cancelled', message: 'the batch was cancelled' }
        await abandonItem(
          services.db,
          { ...item, pageSize: workflow.pageSize },
          { status: 'cancelled', error },
        )
      }
      return { success: false, itemId, message: `batch is ${claim.batchStatus}` }
    case 'superseded':
      return { success: false, itemId, message: 'a later attempt has its own run' }
    case 'unknown':
      throw new PermanentError(`batch ${batchId} has no item ${itemId}`)
  }
}

/** What an interrupted delivery may have left undone after its save. */
async function finishAgain(
  services: Services,
  workflow: Workflow,
  { batchId, itemId }: Payload,
  { status, scope, nextPage }: Claim & { outcome: 'finished' },
): Promise<void> {
  if (nextPage !== null) {
    await triggerRuns(services, workflow, [pageRun(batchId, nextPage.page, nextPage.attempt)])
  }
  if (status !== 'succeeded') return
  const result = await storedResult(services.db, workflow, scope, itemId)
  if (result !== null) await workflow.publish(services, itemId, result)
}
