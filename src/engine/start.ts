import { z } from 'zod'
import { describeError } from '../errors.ts'
import { maxInt32 } from '../workflows/bounds.ts'
import type { Workflow } from '../workflows/contract.ts'
import { boundsOf } from './bounds-of-start.ts'
import { failBatch } from './ledger/begin-batch.ts'
import { rounds } from './ledger/changes.ts'
import { isKilled } from './ledger/kill-switch.ts'
import {
  findStarted,
  openBatch,
  openQueued,
  recordSkipped,
  type Batch,
  type NewBatch,
  type Opened,
} from './ledger/open-batch.ts'
import { missingSettings, notConfigured, type Unconfigured } from './configured.ts'
import type { Services } from './services.ts'
import { processRun, triggerRuns } from './trigger.ts'

/** How many items a batch may have at most. */
export const limitSchema = z.int().min(1).max(maxInt32)

export type Started = Opened | { outcome: 'killed' } | Unconfigured

/**
 * Starts a batch: opens it and triggers layer 1. A batch that is found in `starting`, its own or the active one, is
 * triggered again, because whoever opened it may have died before it could.
 *
 * @throws Error when QStash cannot be reached; a batch opened by this call has then failed.
 */
export async function startBatch(services: Services, start: NewBatch): Promise<Started> {
  const { db } = services
  const missing = missingSettings(services, start.workflow)
  if (missing.length > 0) return { outcome: 'unconfigured', missing }
  if (await isKilled(db, start.workflow.name)) {
    const found = await findStarted(db, start)
    return found === undefined ? { outcome: 'killed' } : { outcome: 'found', ...found }
  }
  const opened = await openBatch(services.db, start)
  await triggerProcess(services, start.workflow, opened.batch, opened.outcome === 'opened')
  return opened
}

async function triggerProcess(
  services: Services,
  workflow: Workflow,
  batch: Batch,
  isOurs: boolean,
): Promise<void> {
  if (batch.status !== 'starting') return
  try {
    await triggerRuns(services, workflow, [processRun(batch.id, batch.attempt)])
  } catch (error) {
    if (isOurs) await failBatch(services.db, batch.id, describeError(error).message)
    throw error
  }
}

/**
 * Starts a batch that nobody waits for an answer about: one that cannot start is recorded as skipped, or waits for the
 * active one, as the workflow's `overlap` says.
 */
export async function startOrRecord(services: Services, start: NewBatch): Promise<Opened | null> {
  const started = await startBatch(services, start)
  const skip = async (reason: string) =>
    await recordSkipped(services.db, { ...start, by: { ...start.by, reason } })
  if (started.outcome === 'unconfigured') {
    await skip(notConfigured(started.missing))
    return null
  }
  if (started.outcome === 'killed') {
    await skip('the kill switch is on')
    return null
  }
  if (started.outcome !== 'active') return started
  const queued =
    start.workflow.overlap === 'queue' ? await openBatch(services.db, start, 'queued') : undefined
  if (queued?.outcome === 'opened') {
    // The active batch may have ended just before this one came to wait for it.
    await startQueued(services, start.workflow)
    return queued
  }
  await skip(`batch ${started.batch.id} is ${started.batch.status}`)
  return started
}

/** Starts a batch for a cron tick. The same tick starts it once. */
export async function startScheduled(
  services: Services,
  workflow: Workflow,
  scheduledTime: number,
): Promise<Opened | null> {
  return await startOrRecord(services, {
    workflow,
    startKey: `cron:${workflow.name}:${scheduledTime}`,
    startedBy: 'cron',
    by: { ...rounds, reason: null },
    params: workflow.params.parse({}),
    force: false,
    limit: null,
    bounds: boundsOf(services, workflow, {}),
    startPlanId: null,
    sampleId: null,
    options: {},
  })
}

/** Starts the batch that waited for the workflow's active one to end, if there is one. May be repeated. */
export async function startQueued(services: Services, workflow: Workflow): Promise<void> {
  if (workflow.overlap !== 'queue') return
  const batch = await openQueued(services.db, workflow.name, { action: 'batch.open', graceSeconds: 0 })
  // Not failed when QStash cannot be reached: the tick that reconciles starts it later.
  if (batch !== undefined) await triggerProcess(services, workflow, batch, false)
}

/**
 * Starts a batch that waits though none has been active for the grace: whoever ended that one died, or the definition
 * does not queue any more.
 *
 * @throws Error when QStash cannot be reached; the batch stays in `starting`, to be triggered again.
 */
export async function startLeftQueued(
  services: Services,
  workflow: Workflow,
  graceSeconds: number,
): Promise<void> {
  const batch = await openQueued(services.db, workflow.name, { action: 'heal.start', graceSeconds })
  if (batch !== undefined) await triggerProcess(services, workflow, batch, false)
}
