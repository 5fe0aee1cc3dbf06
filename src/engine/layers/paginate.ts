import { z } from 'zod'
import { PermanentError } from '../../errors.ts'
import type { Json, Workflow } from '../../workflows/contract.ts'
import { parkItems, pauseBatch } from '../ledger/control.ts'
import { dueChunk, duePage, type Due } from '../ledger/due-items.ts'
import { pagePosition, recordPage } from '../ledger/record-page.ts'
import { layerLog } from '../log.ts'
import { itemIdsField } from '../names.ts'
import type { Services } from '../services.ts'
import { chunkRun, itemRun, pageRun, triggerRuns, type LayerRun } from '../trigger.ts'
import type { Layer } from './layer.ts'

type Payload = { batchId: string } & ({ page: number } | { ids: string[] })

/** Layer 2: records one page and triggers its items, or triggers the items of one chunk. */
export const paginateLayer: Layer<Payload> = {
  payload(workflow) {
    const field = itemIdsField(workflow)
    const batchId = z.uuid()
    const ids = z.array(z.string()).min(1).max(100)
    return z.union([
      z.strictObject({ batchId, page: z.int().min(1) }),
      z.strictObject({ batchId, [field]: ids }).transform((chunk) => ({
        batchId: batchId.parse(chunk.batchId),
        ids: ids.parse(chunk[field]),
      })),
    ])
  },

  run: (services, workflow, payload) =>
    'page' in payload
      ? runPage(services, workflow, payload.batchId, payload.page)
      : runChunk(services, workflow, payload.batchId, payload.ids),

  async failed({ db }, _workflow, { batchId, ...which }, reason) {
    await pauseBatch(db, batchId, reason)
    await parkItems(db, batchId, which)
  },
}

async function runPage(services: Services, workflow: Workflow, batchId: string, page: number) {
  const position = await pagePosition(services.db, batchId, page)
  if (position === undefined) throw new PermanentError(`batch ${batchId} does not exist`)
  const { status, pages, cursor, ...rest } = position
  if (page > pages + 1) throw new PermanentError(`page ${page} comes before page ${pages + 1} is recorded`)
  const recorded =
    page === pages + 1 && status === 'running'
      ? await recordPage(services.db, { batchId, page, cursor }, { workflow, ...rest })
      : undefined
  if (recorded === undefined) return await revisitPage(services, workflow, batchId, page)

  const { ids, attempt, skipped, nextCursor } = recorded
  await triggerDue(services, workflow, batchId, {
    attempt,
    items: ids.map((id) => ({ id, attempt: 1 })),
    nextPage: recorded.goesOn ? page + 1 : null,
  })
  layerLog(workflow, 'paginate').info('page recorded', { batchId, page, items: ids.length, skipped })
  return { success: true, processedItems: ids.length, skippedItems: skipped, nextCursor }
}

/** A page that is recorded, or has no room yet, or whose batch takes no more work: triggers what is due of it. */
async function revisitPage(services: Services, workflow: Workflow, batchId: string, page: number) {
  const due = await duePage(services.db, batchId, page)
  if (due === undefined) throw new PermanentError(`batch ${batchId} does not exist`)
  const going = due.status === 'running' && page <= due.pages
  if (going) await triggerDue(services, workflow, batchId, due)
  return passedOn(going ? due.items.length : 0, due)
}

async function runChunk(services: Services, workflow: Workflow, batchId: string, ids: string[]) {
  const due = await dueChunk(services.db, batchId, ids)
  if (due === undefined) throw new PermanentError(`batch ${batchId} does not exist`)
  const going = due.status === 'running'
  if (going) {
    await triggerRuns(
      services,
      workflow,
      due.items.map((item) => itemRun(workflow, batchId, item)),
    )
  }
  return passedOn(going ? due.items.length : 0, due)
}

const passedOn = (processedItems: number, { status }: Due): Record<string, Json> => ({
  success: true,
  processedItems,
  skippedItems: 0,
  nextCursor: null,
  message: `batch is ${status}`,
})

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
    runs.push(chunkRun(workflow, batchId, due.items.slice(start, start + chunkSize)))
  }
  if (due.nextPage !== null) runs.push(pageRun(batchId, due.nextPage, due.attempt))
  await triggerRuns(services, workflow, runs)
}
