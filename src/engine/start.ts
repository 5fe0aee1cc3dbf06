import { z } from 'zod'
import { describeError } from '../errors.ts'
import type { Workflow } from '../workflows/contract.ts'
import { failBatch } from './ledger/begin-batch.ts'
import { openBatch, recordSkipped, type NewBatch, type Opened } from './ledger/open-batch.ts'
import type { Services } from './services.ts'
import { processRun, triggerRuns } from './trigger.ts'

/** How many items a batch may have at most. */
export const limitSchema = z.int32().min(1)

/**
 * Starts a batch: opens it and triggers layer 1. A batch that is found in `starting`, its own or the active one, is
 * triggered again, because whoever opened it may have died before it could.
 *
 * @throws Error when QStash cannot be reached; a batch opened by this call has then failed.
 */
export async function startBatch(services: Services, start: NewBatch): Promise<Opened> {
  const opened = await openBatch(services.db, start)
  const { batch } = opened
  if (batch.status !== 'starting') return opened
  try {
    await triggerRuns(services, start.workflow, [processRun(batch.id, batch.attempt)])
  } catch (error) {
    if (opened.outcome === 'opened') await failBatch(services.db, batch.id, describeError(error).message)
    throw error
  }
  return opened
}

/** Starts a batch for a cron tick. The same tick starts it once; one that finds an active batch is recorded. */
export async function startScheduled(
  services: Services,
  workflow: Workflow,
  scheduledTime: number,
): Promise<Opened> {
  const start: NewBatch = {
    workflow,
    startKey: `cron:${workflow.name}:${scheduledTime}`,
    startedBy: 'cron',
    params: workflow.params.parse({}),
    force: false,
    limit: null,
  }
  const opened = await startBatch(services, start)
  if (opened.outcome === 'active') await recordSkipped(services.db, start)
  return opened
}
