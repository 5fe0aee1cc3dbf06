import { z } from 'zod'
import type { Db } from '../../db/client.ts'
import { describeError, PermanentError } from '../../errors.ts'
import type { Json, Workflow } from '../../workflows/contract.ts'
import { dueChunk, duePage, type Chunk, type Due, type DueItem } from '../ledger/due-items.ts'
import type { Selection } from '../ledger/needs-work.ts'
import { pauseForLostRun } from '../ledger/pause-batch.ts'
import { pagePosition, recordPage } from '../ledger/record-page.ts'
import { refreshVersions } from '../ledger/refresh-versions.ts'
import { recordRetryPage } from '../ledger/retry-page.ts'
import { layerLog } from '../log.ts'
import { itemIdsField } from '../names.ts'
import type { Services } from '../services.ts'
import { startQueued } from '../start.ts'
import { chunkRun, itemRun, pageRun, triggerRuns, type LayerRun } from '../trigger.ts'
import type { Layer } from './layer.ts'

type Payload = { batchId: string } & ({ page: number } | Chunk)

/** Layer 2: records one page and triggers its items, or triggers the items of one chunk. */
export const paginateLayer: Layer<Payload> = {
  payload(workflow) {
    const field = itemIdsField(workflow)
    const batchId = z.uuid()
    const ids = z.array(z.string()).min(1).max(100)
    return z.union([
      z.strictObject({ batchId, page: z.int32().min(1) }),
      z.strictObject({ batchId, [field]: ids }).transform((chunk) => ({
        batchId: batchId.parse(chunk.batchId),
        ids: ids.parse(chunk[field]),
      })),
    ])
  },

  run: (services, workflow, payload) =>
    'page' in payload
      ? runPage(services, workflow, payload.batchId, payload.page)
      : runChunk(services, workflow, payload.batchId, payload),

  failed: ({ db }, _workflow, { batchId, ...lost }, { reason }) => pauseForLostRun(db, batchId, lost, reason),
}

async function runPage(
  services: Services,
  workflow: Workflow,
  batchId: string,
  page: number,
): Promise<Record<string, Json>> {
  const { db } = services
  const position = await pagePosition(db, workflow, batchId, page)
  if (position === undefined) throw new PermanentError(`${workflow.name} has no batch ${batchId}`)
  const { status, pages, cursor, size, retrying, ...rest } = position
  const recorded =
    page === pages + 1 && status === 'running'
      ? await (retrying
          ? recordRetryPage(db, workflow, { batchId, page, cursor })
          : recordPage(db, { batchId, page, cursor, size }, { workflow, ...rest }))
      : undefined
  const refresh = (items: readonly DueItem[]) => tryToRefresh(db, batchId, items, { workflow, ...rest })
  if (recorded === undefined) {
    const now = await pagePosition(db, workflow, batchId, page)
    // Its limits were lowered while the page was read.
    if (now?.status === 'running' && now.pages === pages && now.size < size)
      return await runPage(services, workflow, batchId, page)
    const due = await duePage(db, workflow, batchId, page)
    if (due?.status === 'running' && page <= due.pages) await refresh(due.items)
    return await triggerLeft(services, workflow, batchId, due, page)
  }

  const { items, attempt, skipped, nextCursor } = recorded
  if (retrying) await refresh(items)
  await triggerDue(services, workflow, batchId, {
    attempt,
    items,
    nextPage: recorded.goesOn ? page + 1 : null,
  })
  if (recorded.batchStatus === 'completed') await startQueued(services, workflow)
  layerLog(workflow, 'paginate').info('page recorded', { batchId, page, items: items.length, skipped })
  return { success: true, processedItems: items.length, skippedItems: skipped, nextCursor }
}

/** An item that keeps an old version is bought again at worst, which a page that cannot be triggered is not worth. */
async function tryToRefresh(
  db: Db,
  batchId: string,
  items: readonly DueItem[],
  selection: Selection,
): Promise<void> {
  try {
    const ids = items.map(({ id }) => id)
    await refreshVersions(db, batchId, ids, selection)
  } catch (error) {
    layerLog(selection.workflow, 'paginate').error('versions are old', { batchId, ...describeError(error) })
  }
}

async function runChunk(services: Services, workflow: Workflow, batchId: string, chunk: Chunk) {
  const due = await dueChunk(services.db, workflow, batchId, chunk)
  return await triggerLeft(services, workflow, batchId, due, 0)
}

/** Triggers what is due of a page or chunk that was recorded before; nothing of a page that was not. */
async function triggerLeft(
  services: Services,
  workflow: Workflow,
  batchId: string,
  due: Due | undefined,
  page: number,
): Promise<Record<string, Json>> {
  if (due === undefined) throw new PermanentError(`${workflow.name} has no batch ${batchId}`)
  const { status, items } = due
  const going = page <= due.pages
  if (going) await triggerDue(services, workflow, batchId, due)
  const processedItems = going ? items.length : 0
  return { success: true, processedItems, skippedItems: 0, nextCursor: null, message: `batch is ${status}` }
}

/** Triggers the first chunk's items, a run of this layer for every further chunk, and the next page, at once. */
async function triggerDue(
  services: Services,
  workflow: Workflow,
  batchId: string,
  due: Pick<Due, 'items' | 'attempt' | 'nextPage'>,
): Promise<void> {
  const { chunkSize } = workflow
  const runs: LayerRun[] = due.items.slice(0, chunkSize).map((item) => itemRun(workflow, batchId, item))
  for (let start = chunkSize; start < due.items.length; start += chunkSize) {
    runs.push(chunkRun(workflow, batchId, due.items.slice(start, start + chunkSize), due.attempt))
  }
  if (due.nextPage !== null) runs.push(pageRun(batchId, due.nextPage, due.attempt))
  await triggerRuns(services, workflow, runs)
}
