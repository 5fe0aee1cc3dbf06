import type { Json, LayerName, Workflow } from '../workflows/contract.ts'
import type { DueItem } from './ledger/due-items.ts'
import { itemIdField, itemIdsField, layerKey, layerPath, runId } from './names.ts'
import type { Services } from './services.ts'

/** One run of one layer. `identity` tells it from the batch's other runs of that layer. */
export type LayerRun = {
  layer: LayerName
  batchId: string
  identity: readonly (string | number)[]
  payload: Record<string, Json>
}

export const processRun = (batchId: string, attempt: number): LayerRun => ({
  layer: 'process',
  batchId,
  identity: [attempt],
  payload: { batchId },
})

export const pageRun = (batchId: string, page: number, attempt: number): LayerRun => ({
  layer: 'paginate',
  batchId,
  identity: [page, attempt],
  payload: { batchId, page },
})

/** A run that triggers just these items. */
export const chunkRun = (
  workflow: Workflow,
  batchId: string,
  items: readonly DueItem[],
  attempt: number,
): LayerRun => ({
  layer: 'paginate',
  batchId,
  identity: ['chunk', attempt, ...items.map((item) => item.id)],
  payload: { batchId, [itemIdsField(workflow)]: items.map((item) => item.id) },
})

export const itemRun = (workflow: Workflow, batchId: string, { id, attempt }: DueItem): LayerRun => ({
  layer: 'execute',
  batchId,
  identity: [id, attempt],
  payload: { batchId, [itemIdField(workflow)]: id, attempt },
})

/** How QStash bounds a layer's deliveries. */
export function flowControl({ env }: Services, workflow: Workflow, layer: LayerName) {
  const { parallelism, rate } = workflow.layers[layer].flowControl
  const scaled = (value: number) => Math.max(1, Math.round(value * env.FLOW_CONTROL_FACTOR))
  return {
    key: layerKey(env.ENVIRONMENT, workflow, layer),
    parallelism: scaled(parallelism),
    rate: scaled(rate),
    period: '1s' as const,
  }
}

/**
 * Starts runs of a workflow's layers in one request.
 *
 * @throws Error when QStash did not take them. Never a QStash error: inside a step the SDK would take one with
 * status 400 for its own and end the run as if all were well.
 */
export async function triggerRuns(services: Services, workflow: Workflow, runs: LayerRun[]): Promise<void> {
  if (runs.length === 0) return
  const { env, qstash } = services
  const options = await Promise.all(
    runs.map(async ({ layer, batchId, identity, payload }) => ({
      url: env.APP_URL + layerPath(workflow, layer),
      body: payload,
      workflowRunId: await runId([env.ENVIRONMENT, batchId, layer, ...identity]),
      retries: workflow.layers[layer].retries,
      retryDelay: workflow.layers[layer].retryDelay,
      flowControl: flowControl(services, workflow, layer),
      label: [layerKey(env.ENVIRONMENT, workflow, layer), batchId],
    })),
  )
  try {
    await qstash.trigger(options)
  } catch (error) {
    throw new Error(`QStash did not take ${runs.length} run(s)`, { cause: error })
  }
}
