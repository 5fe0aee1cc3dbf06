import { boundsOf } from './bounds-of-start.ts'
import { missingSettings, type Unconfigured } from './configured.ts'
import type { By } from './ledger/changes.ts'
import type { Selection } from './ledger/needs-work.ts'
import { recordOneItem, type ItemStarted } from './ledger/start-item.ts'
import { tryToPinPace } from './pace.ts'
import type { Services } from './services.ts'
import { triggerItem } from './trigger.ts'

/**
 * Starts one item of a workflow, whatever the schedule. May be repeated with the same key.
 *
 * @throws Error when QStash cannot be reached: the item is recorded, and the tick that reconciles starts it.
 */
export async function startItem(
  services: Services,
  itemId: string,
  wish: Selection,
  by: By & { key: string },
): Promise<ItemStarted | Unconfigured> {
  const { workflow } = wish
  const missing = missingSettings(services, workflow)
  if (missing.length > 0) return { outcome: 'unconfigured', missing }
  const bounds = boundsOf(services, workflow, {})
  const started = await recordOneItem(services.db, itemId, { ...wish, bounds }, by)
  if (started.outcome !== 'opened' && started.outcome !== 'joined' && started.outcome !== 'repeated')
    return started
  if (started.outcome === 'opened') await tryToPinPace(services, workflow, started.batchId)
  // The same run as before, when it is repeated.
  await triggerItem(services, workflow, { batchId: started.batchId, itemId, attempt: 1 })
  return started
}
