import { PermanentError, RetryLaterError } from '../../errors.ts'
import type { MeteredAi } from '../../services/ai.ts'
import type { Json, Params, Workflow } from '../../workflows/contract.ts'
import { doWork } from '../do-work.ts'
import { itemError } from '../item-error.ts'
import type { Prepared } from '../ledger/claim.ts'
import { addSpent } from '../ledger/add-spent.ts'
import { saveItem, type Ended, type Outcome, type Spent } from '../ledger/end-item.ts'
import { noted } from '../noted.ts'
import { tryToPinPace } from '../pace.ts'
import type { Services } from '../services.ts'
import { maxDelaySeconds, triggerItem } from '../trigger.ts'
import { freshFor, problem, report, skipped, storedAs } from './outcome.ts'
import { drop, passOn } from './pass-on.ts'

export type ClaimedItem = {
  batchId: string
  itemId: string
  token: string
  version: string
  params: Params
  scope: string
  /** A sample's result, which saves the work. */
  prepared: Prepared | null
  /** An error now is the item's end. */
  lastTry: boolean
  /** Aborts when the lease ends. */
  signal: AbortSignal
}

/**
 * Works on a claimed item, saves what became of it, and passes the result on.
 *
 * @throws the work's error, with the claim released, when there is another try.
 */
export async function workOnItem(
  services: Services,
  workflow: Workflow,
  item: ClaimedItem,
): Promise<Record<string, Json>> {
  const { itemId } = item
  const ai = services.createAi(item.signal)
  const begun = Date.now()
  const { outcome, error } = await tryWork(services, workflow, item, ai)
  const { model: _, ...usage } = ai.used()
  const spent = { ...usage, workMs: Date.now() - begun }
  const ended = await save(services, workflow, item, outcome, spent)
  if (ended === undefined) return { success: false, itemId, message: 'the claim was lost before the save' }

  report(workflow, item, outcome, spent)
  if (ended.paceChanged) await tryToPinPace(services, workflow, item.batchId)
  if (outcome.status === 'queued') {
    return await givenBack(services, workflow, item, outcome, ended, error)
  }
  const made = storedAs(outcome, item, ended, usage)
  await passOn(services, workflow, item, { ...ended, made })
  return { success: outcome.status === 'succeeded', itemId, status: outcome.status, ...problem(outcome) }
}

/**
 * Saves what became of an item. Undefined: the claim was lost; what it took is booked all the same.
 *
 * @throws Error when the database cannot be reached, or it is not known whether it had saved: the next delivery finds out.
 */
async function save(
  { db }: Services,
  workflow: Workflow,
  item: ClaimedItem,
  outcome: Outcome,
  spent: Spent,
): Promise<Ended | undefined> {
  const at = { ...item, pageSize: workflow.pageSize }
  const { written, isFirst } = await noted(item.signal, () => saveItem(db, at, outcome, spent))
  if (written !== undefined) return written
  if (!isFirst) throw new Error(`it is not known whether item ${item.itemId} was saved`)
  await addSpent(db, item, spent)
  return undefined
}

/** What becomes of an item that is tried again: QStash repeats this delivery, or a new run comes later. */
async function givenBack(
  services: Services,
  workflow: Workflow,
  item: ClaimedItem,
  outcome: Outcome & { status: 'queued' },
  { batchStatus, attempt }: Ended,
  error: unknown,
): Promise<Record<string, Json>> {
  const { batchId, itemId } = item
  if (batchStatus === 'cancelled') await drop(services, workflow, item)
  if (!(error instanceof RetryLaterError)) throw error
  const delaySeconds = Math.min(error.seconds, maxDelaySeconds)
  await triggerItem(services, workflow, { batchId, itemId, attempt }, delaySeconds)
  return { success: false, itemId, status: 'queued', delaySeconds, error: outcome.error }
}

async function tryWork(
  services: Services,
  workflow: Workflow,
  item: ClaimedItem,
  ai: MeteredAi,
): Promise<{ outcome: Outcome; error?: unknown }> {
  try {
    return { outcome: await result(services, workflow, item, ai) }
  } catch (error) {
    const described = await itemError(error, workflow.verb, item.itemId)
    if (error instanceof RetryLaterError) {
      return { outcome: { status: 'queued', again: 'new_run', slows: error.slows, error: described }, error }
    }
    if (error instanceof PermanentError || item.lastTry) {
      return { outcome: { status: 'failed', error: described } }
    }
    return { outcome: { status: 'queued', again: 'same_run', slows: false, error: described }, error }
  }
}

async function result(
  services: Services,
  workflow: Workflow,
  item: ClaimedItem,
  ai: MeteredAi,
): Promise<Outcome> {
  const freshForSeconds = freshFor(workflow)
  if (item.prepared !== null) {
    const { model } = item.prepared
    const prepared = workflow.data.safeParse(item.prepared.data)
    if (prepared.success)
      return { status: 'succeeded', data: prepared.data, model, freshForSeconds, prepared: true }
  }
  const done = await doWork(services, workflow, item, ai)
  if (done.status === 'succeeded')
    return { ...done, model: ai.used().model, freshForSeconds, prepared: false }
  return skipped(workflow, done.reason)
}
