import type { Json } from '../../workflows/contract.ts'
import { giveEvent, type EventTarget } from '../ledger/item-steps/give-event.ts'
import type { By } from '../ledger/changes.ts'
import { runId } from '../names.ts'
import type { Services } from '../services.ts'
import { itemIdentity, workflowRunId } from '../trigger.ts'

/** What QStash knows an event of an item by. */
export const eventId = (
  { env }: Pick<Services, 'env'>,
  { batchId, itemId }: { batchId: string; itemId: string },
  event: string,
): Promise<string> => runId([env.ENVIRONMENT, batchId, itemId, event])

/**
 * Gives an event to an item of a workflow. The ledger keeps it for an item that does not wait for it yet; QStash wakes
 * one that does.
 *
 * @param by who is to be logged for it; null: a workflow.
 * @returns whether there is such an item, unfinished.
 * @throws Error when QStash cannot be reached: an item that waits may be told again.
 */
export async function giveEventTo(
  services: Services,
  to: EventTarget,
  data: Json,
  by: By | null = null,
): Promise<boolean> {
  const given = await giveEvent(services.db, to, data, by)
  for (const { batchId, attempt, waiting } of given) {
    if (!waiting) continue
    const { itemId } = to
    const run = itemIdentity(batchId, { id: itemId, attempt })
    await services.client.notify({
      eventId: await eventId(services, { batchId, itemId }, to.event),
      // For this run, QStash keeps it until the run waits: the ledger may be a moment ahead of that.
      workflowRunId: `wfr_${await workflowRunId(services.env, { name: to.workflow }, run)}`,
    })
  }
  return given.length > 0
}
