import type { BatchWithPlan, Item, StoredPlan } from '../../engine/ledger/read-batches.ts'
import { layerPath } from '../../engine/names.ts'
import { layerNames, type Workflow } from '../../workflows/contract.ts'

/** A workflow as the API shows it. */
export const workflowResource = (workflow: Workflow) => ({
  name: workflow.name,
  entity: workflow.entity,
  schedule: workflow.schedule,
  freshFor: workflow.freshFor,
  timeout: workflow.timeout,
  pageSize: workflow.pageSize,
  chunkSize: workflow.chunkSize,
  maxOutstanding: workflow.maxOutstanding,
  layers: Object.fromEntries(
    layerNames.map((layer) => [layer, { path: layerPath(workflow, layer), ...workflow.layers[layer] }]),
  ),
})

/** A plan as the API shows it. */
export const planResource = (plan: StoredPlan) => ({
  id: plan.id,
  workflow: plan.workflow,
  params: plan.params,
  force: plan.force,
  limit: plan.limit,
  totalEligible: plan.totalEligible,
  alreadyProcessed: plan.alreadyProcessed,
  held: plan.held,
  toProcess: plan.toProcess,
  sample: plan.sample,
  createdAt: plan.createdAt,
})

/** A batch as the API shows it. `recorded` is the sum of the other counts. */
export const batchResource = (batch: BatchWithPlan) => ({
  id: batch.id,
  workflow: batch.workflow,
  status: batch.status,
  reason: batch.reason,
  startedBy: batch.startedBy,
  params: batch.params,
  force: batch.force,
  limit: batch.limit,
  maxOutstanding: batch.maxOutstanding,
  plan: batch.plan,
  counts: {
    recorded: batch.recorded,
    queued: batch.queued,
    running: batch.running,
    waiting: batch.waiting,
    succeeded: batch.succeeded,
    skipped: batch.skipped,
    failed: batch.failed,
    cancelled: batch.cancelled,
  },
  pages: batch.pages,
  exhausted: batch.exhausted,
  createdAt: batch.createdAt,
  startedAt: batch.startedAt,
  endedAt: batch.endedAt,
})

/** An item as the API shows it. `error` is the last one, also of an item that is tried again. */
export const itemResource = (item: Item) => ({
  id: item.itemId,
  status: item.status,
  page: item.page,
  attempt: item.attempt,
  claims: item.claims,
  error: item.error,
  inputTokens: item.inputTokens,
  outputTokens: item.outputTokens,
  startedAt: item.startedAt,
  endedAt: item.endedAt,
})

/** A page of a list: `nextCursor` is null on the last one. */
export function page<Row, Resource extends { id: string }>(
  rows: Row[],
  limit: number,
  resource: (row: Row) => Resource,
) {
  const shown = rows.slice(0, limit).map(resource)
  return { data: shown, nextCursor: rows.length > limit ? (shown.at(-1)?.id ?? null) : null }
}
