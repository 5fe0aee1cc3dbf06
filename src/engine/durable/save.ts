import type { Json } from '../../workflows/contract.ts'
import type { ItemError } from '../item-error.ts'
import { passOn, passOnAgain } from '../layers/pass-on.ts'
import { itemState } from '../ledger/item-state.ts'
import { saveDurable, type Outcome } from '../ledger/end-item.ts'
import { freshFor, problem, report, skipped, storedAs } from '../layers/outcome.ts'
import { tryToPinPace } from '../pace.ts'
import { superseded, type ItemRun } from './item-run.ts'

/** How a durable item ends. */
export type End =
  | { is: 'finished'; data: Json }
  | { is: 'skipped'; reason: string }
  | { is: 'ended'; status: 'failed' | 'cancelled'; error: ItemError }

/** Saves how an item ends, and passes on what follows from it. */
export async function saveEnd(run: ItemRun, end: End, workMs: number): Promise<Record<string, Json>> {
  const { services, workflow, item } = run
  const { batchId, itemId } = item
  const outcome = outcomeOf(run, end)
  const spent = { inputTokens: 0, outputTokens: 0, workMs }
  const ended = await saveDurable(services.db, item, outcome, spent)
  if (ended === undefined) {
    const state = await itemState(services.db, item)
    if (state === undefined || state.status === 'queued')
      return { success: false, itemId, message: superseded.message }
    await passOnAgain(services, workflow, item, state)
    return { success: state.status === 'succeeded', itemId, status: state.status, repeated: true }
  }
  report(workflow, { batchId, itemId }, outcome, spent)
  if (ended.paceChanged) await tryToPinPace(services, workflow, batchId)
  const made = storedAs(outcome, item, ended, { inputTokens: 0, outputTokens: 0 })
  await passOn(services, workflow, item, { ...ended, made })
  return { success: outcome.status === 'succeeded', itemId, status: outcome.status, ...problem(outcome) }
}

function outcomeOf({ workflow }: ItemRun, end: End): Outcome {
  switch (end.is) {
    case 'finished': {
      const freshForSeconds = freshFor(workflow)
      return { status: 'succeeded', data: end.data, model: null, freshForSeconds, prepared: false }
    }
    case 'skipped':
      return skipped(workflow, end.reason)
    case 'ended':
      return { status: end.status, error: end.error }
  }
}
