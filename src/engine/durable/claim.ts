import type { WorkflowContext } from '@upstash/workflow'
import ms from 'ms'
import type { Json, Params, Workflow } from '../../workflows/contract.ts'
import { executePayload } from '../layers/execute-payload.ts'
import { notClaimed } from '../layers/not-claimed.ts'
import { described, parsePayload } from '../layers/step.ts'
import { claimItem } from '../ledger/claim.ts'
import type { Durable } from '../ledger/item-steps/recorded.ts'
import { layerLog } from '../log.ts'
import type { Services } from '../services.ts'

/** A durable item that this run may go on with, as QStash stores it. */
export type ClaimedDurable = {
  claimed: true
  batchId: string
  itemId: string
  attempt: number
  version: string
  scope: string
  params: Params
} & Durable

/**
 * The first step of a durable item's run. Its payload is parsed in here: outside of a step, a delivery may hold
 * somebody else's answer instead.
 */
export const claimDurable = (
  context: WorkflowContext,
  services: Services,
  workflow: Workflow,
): Promise<ClaimedDurable | { claimed: false; answer: Record<string, Json> }> =>
  described(async () => {
    const { workflowRunId, requestPayload } = context
    const item = parsePayload(executePayload(workflow), requestPayload, (reason) =>
      layerLog(workflow, 'execute').error('run refused', { run: workflowRunId, reason }),
    )
    const lease = { token: crypto.randomUUID(), seconds: ms(workflow.timeout) / 1000 }
    const claim = await claimItem(services.db, workflow, item, lease)
    if (claim.outcome !== 'claimed') {
      return { claimed: false as const, answer: await notClaimed(services, workflow, item, claim) }
    }
    const { version, scope, params, durable } = claim
    if (durable === null)
      throw new Error(`item ${item.itemId} was recorded before ${workflow.name} was durable`)
    return { claimed: true as const, ...item, version, scope, params, ...durable }
  })
