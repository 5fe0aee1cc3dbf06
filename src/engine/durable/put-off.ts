import type { RetryLaterError } from '../../errors.ts'
import { saveDurable } from '../ledger/end-item.ts'
import type { ItemError } from '../item-error.ts'
import { layerLog } from '../log.ts'
import { tryToPinPace } from '../pace.ts'
import { maxDelaySeconds, triggerItem } from '../trigger.ts'
import { over, type ItemRun, type Over } from './item-run.ts'
import { leftBefore } from './left-before.ts'

/** Gives an item back that was asked to come later: a run of its own takes it up again. */
export async function putOff(
  run: ItemRun,
  { seconds, slows }: RetryLaterError,
  error: ItemError,
): Promise<Over> {
  const { services, workflow, item } = run
  const { batchId, itemId } = item
  const delaySeconds = Math.min(seconds, maxDelaySeconds)
  const nothing = { inputTokens: 0, outputTokens: 0, workMs: 0 }
  const ended = await saveDurable(
    services.db,
    item,
    { status: 'queued', again: 'new_run', slows, error },
    nothing,
  )
  if (ended === undefined) return await leftBefore(run, delaySeconds)
  layerLog(workflow, 'execute').error('item will be tried again', { batchId, itemId, ...error })
  if (ended.paceChanged) await tryToPinPace(services, workflow, batchId)
  await triggerItem(services, workflow, { ...item, attempt: ended.attempt }, delaySeconds)
  return over(`asked to come later: a new run comes in ${delaySeconds} seconds`)
}
