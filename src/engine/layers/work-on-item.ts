import ms from 'ms'
import { isStorable } from '../../db/json.ts'
import { describeError, PermanentError, presentable } from '../../errors.ts'
import type { MeteredAi } from '../../services/ai.ts'
import { Skip, type Json, type Params, type Usage, type Workflow } from '../../workflows/contract.ts'
import { dropItem, saveItem, type Ended, type Outcome } from '../ledger/end-item.ts'
import { releaseItem } from '../ledger/release-item.ts'
import { layerLog } from '../log.ts'
import type { Services } from '../services.ts'
import { passOn, type Made } from './pass-on.ts'

export type ClaimedItem = {
  batchId: string
  itemId: string
  token: string
  version: string
  params: Params
  scope: string
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
  const { batchId, itemId } = item
  const ai = services.createAi(item.signal)
  const outcome = await tryWork(services, workflow, item, ai)
  const { model, ...usage } = ai.used()
  const ended = await saveItem(services.db, { ...item, pageSize: workflow.pageSize }, outcome, usage)
  if (ended === undefined) return { success: false, itemId, message: 'the claim was lost before the save' }

  const log = layerLog(workflow, 'execute')
  if (outcome.status === 'failed') log.error('item failed', { batchId, itemId, ...outcome.error })
  else log.info(`item ${outcome.status}`, { batchId, itemId, ...usage })
  const made = storedAs(outcome, item, ended, { model, usage })
  await passOn(services, workflow, item, { nextPage: ended.nextPage, made })
  return { success: outcome.status === 'succeeded', itemId, status: outcome.status, ...problem(outcome) }
}

const problem = (outcome: Outcome): Record<string, Json> =>
  outcome.status === 'succeeded' ? {} : { error: outcome.error }

async function tryWork(
  services: Services,
  workflow: Workflow,
  item: ClaimedItem,
  ai: MeteredAi,
): Promise<Outcome> {
  try {
    const done = await withinLease(item, workflow, () =>
      workflow.work({ db: services.db, ai, params: item.params, signal: item.signal }, item.itemId),
    )
    if (done instanceof Skip) {
      return { status: 'skipped', error: { name: 'Skipped', message: presentable(done.reason) } }
    }
    const freshForSeconds = workflow.freshFor === null ? null : ms(workflow.freshFor) / 1000
    const data = workflow.data.parse(done)
    if (!isStorable(data)) throw new Error('the result holds a character that cannot be stored')
    return { status: 'succeeded', data, model: ai.used().model, freshForSeconds }
  } catch (error) {
    const described = describeError(error)
    if (error instanceof PermanentError || item.lastTry) return { status: 'failed', error: described }
    const batchStatus = await releaseItem(services.db, item, described, ai.used())
    if (batchStatus === 'cancelled') {
      await dropItem(services.db, { ...item, pageSize: workflow.pageSize })
    }
    layerLog(workflow, 'execute').error('item will be tried again', {
      batchId: item.batchId,
      itemId: item.itemId,
      ...described,
    })
    throw error
  }
}

async function withinLease<T>(
  { signal }: ClaimedItem,
  { timeout }: Workflow,
  work: () => Promise<T>,
): Promise<T> {
  const tooLong = () => new Error(`the work took longer than ${timeout}`)
  if (signal.aborted) throw tooLong()
  return await Promise.race([
    work(),
    new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(tooLong()), { once: true })
    }),
  ])
}

/** The result as it was stored; null when there is none. */
function storedAs(
  outcome: Outcome,
  { version, scope }: ClaimedItem,
  { generatedAt, expiresAt }: Ended,
  by: { model: string | null; usage: Usage },
): Made | null {
  if (outcome.status !== 'succeeded' || generatedAt === null) return null
  return { scope, result: { ...by, version, data: outcome.data, generatedAt, expiresAt } }
}
