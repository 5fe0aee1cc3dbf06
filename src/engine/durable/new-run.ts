import { WorkflowNonRetryableError } from '@upstash/workflow'
import { leaveRun } from '../ledger/item-steps/leave-run.ts'
import { triggerItem } from '../trigger.ts'
import { over, type ItemRun, type Over } from './item-run.ts'
import { leftBefore } from './left-before.ts'

const messages = {
  /** Its log fits the handler no more. */
  renewed: 'the handler has changed: the item goes on in a new run',
  /** Whether that pauses the batch, the claim of the new run says. */
  put_off: 'the budget is spent: a new run asks for room',
  /** Nothing of its last try stands that should not. */
  undone: 'what it had done is undone: it begins anew in a new run',
}

const tooFickle =
  'the handler asks for other steps each time it runs: time, chance and what it reads belong in a step'

/**
 * Gives the item another run, which goes on from what the ledger has.
 *
 * @throws WorkflowNonRetryableError when its handler has changed too often.
 */
export async function newRun(run: ItemRun, why: keyof typeof messages): Promise<Over> {
  const { services, workflow, item } = run
  const attempt = await leaveRun(services.db, item, why)
  if (attempt === null) throw new WorkflowNonRetryableError(tooFickle)
  if (attempt === undefined) return await leftBefore(run)
  await triggerItem(services, workflow, { ...item, attempt })
  return over(messages[why])
}
