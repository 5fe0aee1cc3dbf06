import type { Workflow } from '../workflows/contract.ts'
import { healBatch, healCancelled, healStart } from './ledger/heal-batch.ts'
import type { Suspect, SuspectItem } from './ledger/suspects.ts'
import { reportFailure } from './report-failure.ts'
import type { BatchRuns } from './run-logs.ts'
import type { Services } from './services.ts'
import { passOnDropped } from './cancel.ts'
import { itemRun, pageRun, processRun, triggerRuns } from './trigger.ts'

/**
 * Makes a batch go on whose runs are lost: each that QStash neither has nor has reported as failed is triggered anew
 * under a new id. A run that failed without a word is taken as reported.
 *
 * @throws Error when QStash or the database fails: the next tick finds what was left.
 */
export async function heal(
  services: Services,
  workflow: Workflow,
  batch: Suspect,
  runs: BatchRuns,
): Promise<void> {
  switch (batch.status) {
    case 'paused':
      return await healUndoing(services, workflow, batch, runs)
    case 'starting':
      return await healStarting(services, workflow, batch, runs)
    case 'running':
    case 'completed':
      return await healRunning(services, workflow, batch, runs)
    case 'cancelled': {
      const { gone, failed } = await judgeItems(workflow, batch, runs, batch.items)
      const ended = [...gone, ...failed.map(({ item }) => item)]
      if (ended.length === 0) return
      const dropped = await healCancelled(services.db, batch.id, ended)
      await passOnDropped(services, workflow, batch.id, dropped)
    }
  }
}

async function healStarting(services: Services, workflow: Workflow, batch: Suspect, runs: BatchRuns) {
  const { id, attempt } = batch
  if (runs.anyAlive('process')) return
  const fate = await runs.fateOf(processRun(id, attempt))
  if (fate.is === 'unreported') {
    return await reportFailure(services, workflow, id, { layer: 'process', attempt }, fate.reason)
  }
  if (fate.is !== 'gone') return
  const next = await healStart(services.db, batch)
  if (next !== undefined) await triggerRuns(services, workflow, [processRun(id, next)])
}

async function healRunning(services: Services, workflow: Workflow, batch: Suspect, runs: BatchRuns) {
  const { id, pages, items } = batch
  // Layer 1 triggers the first page, layer 2 every other and what was never triggered of them.
  const triggering = runs.anyAlive('paginate') || (pages === 0 && runs.anyAlive('process'))
  const page = batch.due && !triggering ? await judgePage(services, workflow, batch, runs) : 'alive'
  if (page === 'paused') return
  const judged = triggering ? items.filter(({ untriggered }) => !untriggered) : items
  const { gone, failed } = await judgeItems(workflow, batch, runs, judged)
  await reportItems(services, workflow, id, failed)
  if (gone.length === 0 && page !== 'gone') return
  // Not through `goOn`: what cannot be triggered now is found lost by the next tick, and needs no pause.
  const next = await healBatch(services.db, batch, { items: gone, page: page === 'gone' })
  if (next !== null) await triggerRuns(services, workflow, [pageRun(id, next.page, next.attempt)])
}

/** Gives what is being undone another run, as if QStash had reported that its last one failed. */
async function healUndoing(services: Services, workflow: Workflow, batch: Suspect, runs: BatchRuns) {
  const { gone, failed } = await judgeItems(workflow, batch, runs, batch.items)
  const lost = gone.map((item) => ({ item, reason: 'the run is lost' }))
  await reportItems(services, workflow, batch.id, [...lost, ...failed])
}

async function reportItems(
  services: Services,
  workflow: Workflow,
  batchId: string,
  failed: Judged['failed'],
) {
  for (const { item, reason } of failed) {
    const run = { layer: 'execute' as const, itemId: item.id, attempt: item.attempt }
    await reportFailure(services, workflow, batchId, run, reason)
  }
}

/** What became of the run that had to trigger the next page, or to read it. */
async function judgePage(
  services: Services,
  workflow: Workflow,
  { id, pages, attempt }: Suspect,
  runs: BatchRuns,
): Promise<'alive' | 'gone' | 'paused'> {
  const before = pages === 0 ? processRun(id, attempt) : pageRun(id, pages, attempt)
  for (const run of [pageRun(id, pages + 1, attempt), before]) {
    const fate = await runs.fateOf(run)
    if (fate.is === 'alive' || fate.is === 'unknown') return 'alive'
    if (fate.is === 'unreported') {
      const page = run === before ? pages : pages + 1
      const failed = page === 0 ? { layer: 'process' as const } : { layer: 'paginate' as const, page }
      await reportFailure(services, workflow, id, { ...failed, attempt }, fate.reason)
      return 'paused'
    }
  }
  return 'gone'
}

type Judged = { gone: SuspectItem[]; failed: { item: SuspectItem; reason: string }[] }

/** Those whose runs are not alive. What could not be asked about waits for the next tick. */
async function judgeItems(
  workflow: Workflow,
  batch: Suspect,
  runs: BatchRuns,
  items: readonly SuspectItem[],
): Promise<Judged> {
  const judged: Judged = { gone: [], failed: [] }
  for (const item of items) {
    const fate = await runs.fateOf(itemRun(workflow, batch.id, item))
    if (fate.is === 'gone') judged.gone.push(item)
    if (fate.is === 'unreported') judged.failed.push({ item, reason: fate.reason })
  }
  return judged
}
