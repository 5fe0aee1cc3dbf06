import ms from 'ms'
import { itemError } from '../item-error.ts'
import { claimItem } from '../ledger/claim.ts'
import { abandonItem } from '../ledger/end-item.ts'
import { itemState } from '../ledger/item-state.ts'
import { startUndoing } from '../ledger/item-steps/start-undoing.ts'
import { rounds } from '../ledger/changes.ts'
import { pauseBatch } from '../ledger/pause-batch.ts'
import { triggerItem } from '../trigger.ts'
import { executePayload, type ItemPayload } from './execute-payload.ts'
import type { Layer } from './layer.ts'
import { notClaimed } from './not-claimed.ts'
import { passOn, passOnAgain } from './pass-on.ts'
import { workOnItem } from './work-on-item.ts'

/** Layer 3: one item, claimed, worked on and saved in one step. */
export const executeLayer: Layer<ItemPayload> = {
  payload: executePayload,

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
    const undoing = await startUndoing(db, { ...item, pageSize }, error)
    if (undoing !== undefined) return await triggerItem(services, workflow, { ...item, attempt: undoing })
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
    } else await passOnAgain(services, workflow, item, state)
  },
}
