import type { Json, Result, Workflow } from '../../workflows/contract.ts'
import { tellInvokers } from '../durable/tell-invokers.ts'
import type { NextPage } from '../ledger/settle.ts'
import type { Services } from '../services.ts'
import { dropItem } from '../ledger/end-item.ts'
import { storedResult } from '../ledger/results.ts'
import type { ItemState } from '../ledger/item-state.ts'
import { startQueued } from '../start.ts'
import { pageRun, triggerRuns } from '../trigger.ts'

/** A stored result and the scope it belongs to. */
export type Made = { scope: string; result: Result<Json> }

type Follows = {
  nextPage: NextPage | null
  made: Made | null
  batchStatus: string
  /** It has ended, and somebody is to hear of that. */
  isInvoked: boolean
}

/**
 * What follows the end of an item: the page it made room for, the batch that waited for the end of this one, whoever
 * invoked it, and its result where readers look. May be repeated.
 */
export async function passOn(
  services: Services,
  workflow: Workflow,
  { batchId, itemId }: { batchId: string; itemId: string },
  { nextPage, made, batchStatus, isInvoked }: Follows,
): Promise<void> {
  if (batchStatus === 'completed') await startQueued(services, workflow)
  if (nextPage !== null) {
    await triggerRuns(services, workflow, [pageRun(batchId, nextPage.page, nextPage.attempt)])
  }
  if (isInvoked) await tellInvokers(services, { batchId, itemId })
  if (made === null) return
  const { scope, result } = made
  await workflow.publish({ cache: services.cache, scope }, itemId, result)
}

/** What a delivery that was interrupted after its save may have left undone. */
export async function passOnAgain(
  services: Services,
  workflow: Workflow,
  item: { batchId: string; itemId: string },
  { status, scope, nextPage, batchStatus, isInvoked }: ItemState,
): Promise<void> {
  const result = status === 'succeeded' ? await storedResult(services.db, workflow, scope, item.itemId) : null
  const made = result === null ? null : { scope, result }
  await passOn(services, workflow, item, { nextPage, batchStatus, made, isInvoked })
}

/** Ends an item of a cancelled batch that nobody works on any more, if that is so, and passes on what follows. */
export async function drop(
  services: Services,
  workflow: Workflow,
  item: { batchId: string; itemId: string },
): Promise<void> {
  const dropped = await dropItem(services.db, { ...item, pageSize: workflow.pageSize })
  if (dropped === undefined) return
  await passOn(services, workflow, item, { ...dropped, made: null })
}
