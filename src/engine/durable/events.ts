import type { Json } from '../../workflows/contract.ts'
import { giveEvent, untoldEvents, type EventTarget, type Given } from '../ledger/item-steps/give-event.ts'
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
 * @returns the unfinished items that there are with this id.
 * @throws Error when QStash cannot be reached: an item that waits may be told again.
 */
export async function giveEventTo(
  services: Services,
  to: EventTarget,
  data: Json,
  by: By | null = null,
): Promise<Given[]> {
  const given = await giveEvent(services.db, to, data, by)
  for (const { waiting, ...item } of given) {
    if (waiting) await wake(services, { ...to, ...item })
  }
  return given
}

/** Tells QStash of events that items of a workflow wait for: whoever gave them may have died before it could. May be repeated. */
export async function wakeUntold(services: Services, workflow: string): Promise<void> {
  for (const item of await untoldEvents(services.db, workflow)) await wake(services, { workflow, ...item })
}

type Waker = { workflow: string; batchId: string; itemId: string; attempt: number; event: string }

async function wake(services: Services, { workflow, batchId, itemId, attempt, event }: Waker): Promise<void> {
  const run = itemIdentity(batchId, { id: itemId, attempt })
  await services.client.notify({
    eventId: await eventId(services, { batchId, itemId }, event),
    // For this run, QStash keeps it until the run waits: the ledger may be a moment ahead of that.
    workflowRunId: `wfr_${await workflowRunId(services.env, { name: workflow }, run)}`,
  })
}
