import { itemState } from '../ledger/item-state.ts'
import { triggerItem } from '../trigger.ts'
import { superseded, type ItemRun, type Over } from './item-run.ts'

/**
 * What a run comes to whose item has a later attempt. Whoever gave it that may have died before it could trigger its run.
 *
 * @param delaySeconds when that was to come.
 */
export async function leftBefore(
  { services, workflow, item }: ItemRun,
  delaySeconds?: number,
): Promise<Over> {
  const next = { ...item, attempt: item.attempt + 1 }
  const state = await itemState(services.db, next)
  if (state?.status === 'queued') await triggerItem(services, workflow, next, delaySeconds)
  return superseded
}
