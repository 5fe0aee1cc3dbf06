import { z } from 'zod'
import { PermanentError, RetryLaterError } from '../../errors.ts'
import type { Invoked, ItemTools, Json, Params, Workflow } from '../../workflows/contract.ts'
import { addInvoker } from '../ledger/invokers.ts'
import { rounds } from '../ledger/changes.ts'
import { latestStatus } from '../ledger/read-items.ts'
import { storedResult } from '../ledger/results.ts'
import { checkName } from '../../workflows/step-name.ts'
import { startItem } from '../start-item.ts'
import type { ItemRun } from './item-run.ts'

const ended = z.object({ status: z.enum(['succeeded', 'skipped', 'failed', 'cancelled']), data: z.json() })
type Ended = z.output<typeof ended>

/** Starts an item of another workflow and waits for its end, by the handler's other tools. */
export const invokeTool =
  (run: ItemRun, { step, waitForEvent }: Pick<ItemTools, 'step' | 'waitForEvent'>): ItemTools['invoke'] =>
  async (name, { workflow, itemId, params, timeout }) => {
    const other = run.workflows.find((candidate) => candidate.name === workflow.name)
    if (other === undefined) throw new PermanentError(`${workflow.name} is not part of this deployment`)
    const parsed = other.params.safeParse(params)
    if (!parsed.success) throw new PermanentError(`the params do not fit: ${z.prettifyError(parsed.error)}`)
    const wanted = { workflow: other, itemId, params: parsed.data }
    const end = `${name}.end`
    checkName(end)
    const before = await step(name, ({ key }) => startFor(run, { step: name, event: end }, wanted, key))
    const found = before ?? (await waitForEvent(end, { data: ended, timeout, answerTo: name }))
    return found === null ? null : shown(workflow.data, found)
  }

function shown<Data extends Json>(data: z.ZodType<Data>, { status, data: given }: Ended): Invoked<Data> {
  if (status !== 'succeeded') return { status, data: null }
  const parsed = data.safeParse(given)
  if (parsed.success) return { status, data: parsed.data }
  throw new PermanentError(`the result of what was invoked does not fit: ${z.prettifyError(parsed.error)}`)
}

/** When to ask again whether an item may be started. */
const retrySeconds = 60

type Wanted = { workflow: Workflow; itemId: string; params: Params }

/**
 * Starts the item, or joins whoever waits for it already.
 *
 * @returns what has become of it, if it has ended; null: its end comes as an event.
 */
async function startFor(
  { services, workflow: own, item }: ItemRun,
  asking: { step: string; event: string },
  { workflow, itemId, params }: Wanted,
  key: string,
): Promise<Ended | null> {
  const scope = workflow.scope(params)
  const reason = `invoked by ${own.name} for ${item.itemId}`
  const by = { ...rounds, reason, key: `invoke:${key}` }
  const started = await startItem(services, itemId, { workflow, params, scope, force: false }, by)
  const { outcome } = started
  if (outcome === 'unknown' || outcome === 'acted' || outcome === 'key_used') {
    throw new PermanentError(`item ${itemId} of ${workflow.name} cannot be started: ${outcome}`)
  }
  if (outcome === 'busy' || outcome === 'full' || outcome === 'killed' || outcome === 'unconfigured') {
    const message = `item ${itemId} of ${workflow.name} cannot be started now: ${outcome}`
    throw new RetryLaterError(message, retrySeconds, { slows: false })
  }
  const invoker = { workflow: own.name, batchId: item.batchId, itemId: item.itemId, ...asking }
  const waits =
    outcome !== 'done' &&
    outcome !== 'listed' &&
    (await addInvoker(services.db, { workflow: workflow.name, scope, itemId }, invoker))
  if (waits) return null
  const status =
    outcome === 'done' ? 'succeeded' : await latestStatus(services.db, workflow.name, scope, itemId)
  const result = status === 'succeeded' ? await storedResult(services.db, workflow, scope, itemId) : null
  return ended.parse({ status, data: result?.data ?? null })
}
