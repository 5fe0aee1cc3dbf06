import { describeError } from '../errors.ts'
import type { Workflow } from '../workflows/contract.ts'
import { wakeUntold } from './durable/events.ts'
import { tellInvokers } from './durable/tell-invokers.ts'
import { heal } from './heal.ts'
import { isKilled, pauseLeftRunning } from './ledger/kill-switch.ts'
import { findSuspects } from './ledger/suspects.ts'
import { healPace } from './pace.ts'
import { batchRuns, type Lookups } from './run-logs.ts'
import type { Services } from './services.ts'
import { startLeftQueued } from './start.ts'

/** When the tick comes that reconciles; listed in wrangler.jsonc as well. */
export const reconcileCron = '*/5 * * * *'

/** What moved within so many seconds is left alone: a run may not show in QStash's log yet. */
const defaultGraceSeconds = 120

/** Runs that one tick asks QStash about singly. */
const mostLookups = 100

/**
 * Compares the ledger with what QStash says, and heals: runs that are lost are triggered anew, failures whose report is
 * lost are taken as reported, the pinned pace is restored, a batch that waits for nobody is started, items whose event
 * was given are woken, and invokers that have not heard of an end are told. Of a workflow whose kill switch is on, what
 * still runs is paused; of a paused batch goes on only what is being undone. May be repeated, also at the same time.
 *
 * @throws AggregateError of whatever failed; everything else was reconciled all the same.
 */
export async function reconcile(
  services: Services,
  workflows: readonly Workflow[],
  { graceSeconds = defaultGraceSeconds }: { graceSeconds?: number } = {},
): Promise<void> {
  const lookups: Lookups = { left: mostLookups }
  const errors: unknown[] = []
  const attempt = async (name: string, part: () => Promise<void>) => {
    try {
      await part()
    } catch (error) {
      errors.push(error)
      console.error(`[${name}:reconcile] failed ${JSON.stringify(describeError(error))}`)
    }
  }
  for (const workflow of workflows) {
    await attempt(workflow.name, async () => {
      for (const part of await partsOf(services, workflow, graceSeconds, lookups))
        await attempt(workflow.name, part)
    })
  }
  // Of any workflow, also one that is not deployed any more.
  await attempt('all', () => tellInvokers(services))
  if (errors.length > 0) throw new AggregateError(errors, `${errors.length} thing(s) were not reconciled`)
}

/** What is to be reconciled of a workflow, each part for itself. */
async function partsOf(
  services: Services,
  workflow: Workflow,
  graceSeconds: number,
  lookups: Lookups,
): Promise<(() => Promise<void>)[]> {
  if (await isKilled(services.db, workflow.name)) {
    return [async () => void (await pauseLeftRunning(services.db, workflow.name))]
  }
  const batches = await findSuspects(services.db, workflow.name, graceSeconds)
  const suspects = batches.filter(({ due, items }) => due || items.length > 0)
  return [
    ...suspects.map((batch) => async () => {
      await heal(services, workflow, batch, await batchRuns(services, workflow, batch.id, lookups))
    }),
    ...batches
      .filter(({ status }) => status === 'running')
      .map((batch) => () => healPace(services, workflow, batch.id)),
    () => wakeUntold(services, workflow.name),
    () => startLeftQueued(services, workflow, graceSeconds),
  ]
}
