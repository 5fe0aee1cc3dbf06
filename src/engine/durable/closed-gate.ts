import { WorkflowRetryAfterError } from '@upstash/workflow'
import { leaveRun } from '../ledger/item-steps/leave-run.ts'
import { triggerItem } from '../trigger.ts'
import { over, superseded, type ItemRun, type Over, type Stop } from './item-run.ts'

/** What becomes of an item whose next step may not begin: it is queued again, unless its batch was cancelled. */
export async function atClosedGate({ services, item }: ItemRun, batchStatus: string): Promise<Stop> {
  if (batchStatus === 'cancelled') return { is: 'cancelled' }
  const attempt = await leaveRun(services.db, item, 'parked')
  if (attempt !== undefined) return over(`batch is ${batchStatus}`)
  throw new WorkflowRetryAfterError('the batch has been resumed meanwhile', 1)
}

/** What becomes of an item at work whose batch has spent its budget: whether that pauses the batch, the claim of a new run says. */
export async function atSpentBudget({ services, workflow, item }: ItemRun): Promise<Over> {
  const attempt = await leaveRun(services.db, item, 'put_off')
  if (attempt === undefined || attempt === null) return superseded
  await triggerItem(services, workflow, { ...item, attempt })
  return over('the budget is spent: a new run asks for room')
}
