import { WorkflowRetryAfterError } from '@upstash/workflow'
import { leaveRun } from '../ledger/item-steps/leave-run.ts'
import { over, type ItemRun, type Stop } from './item-run.ts'

/** What becomes of an item whose next step may not begin: it is queued again, unless its batch was cancelled. */
export async function atClosedGate({ services, item }: ItemRun, batchStatus: string): Promise<Stop> {
  if (batchStatus === 'cancelled') return { is: 'cancelled' }
  const attempt = await leaveRun(services.db, item, 'parked')
  if (attempt !== undefined) return over(`batch is ${batchStatus}`)
  throw new WorkflowRetryAfterError('the batch has been resumed meanwhile', 1)
}
