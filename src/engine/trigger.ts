import { ServiceError } from '../errors.ts'
import type { Json, LayerName, Workflow } from '../workflows/contract.ts'
import type { DueItem } from './ledger/due-items.ts'
import { itemIdField, itemIdsField, layerKey, layerPath, runId } from './names.ts'
import type { Services } from './services.ts'

/** Longest wait before an item is tried again for which a service asked for patience. */
export const maxDelaySeconds = 900

/** One run of one layer. */
export type LayerRun = {
  layer: LayerName
  /** Tells it from every other run of the layer: the same identity starts nothing anew while its run lives. */
  identity: readonly (string | number)[]
  /** Undefined: the run belongs to no batch yet. */
  batchId: string | undefined
  /** JSON, or a text to be sent as it is. */
  body: Json
  /** Delivered not before that many seconds have passed. */
  delaySeconds?: number
}

export const processRun = (batchId: string, attempt: number): LayerRun => ({
  layer: 'process',
  identity: [batchId, attempt],
  batchId,
  body: { batchId },
})

/** Carries on what a plain message began; the same message gives the same run. */
export const messageRun = (layer: LayerName, messageId: string, body: string): LayerRun => ({
  layer,
  identity: ['message', messageId],
  batchId: undefined,
  body,
})

export const pageRun = (batchId: string, page: number, attempt: number): LayerRun => ({
  layer: 'paginate',
  identity: [batchId, page, attempt],
  batchId,
  body: { batchId, page },
})

/** A run that triggers just these items. */
export const chunkRun = (
  workflow: Workflow,
  batchId: string,
  items: readonly DueItem[],
  attempt: number,
): LayerRun => ({
  layer: 'paginate',
  identity: [batchId, 'chunk', attempt, ...items.map((item) => item.id)],
  batchId,
  body: { batchId, [itemIdsField(workflow)]: items.map((item) => item.id) },
})

/** What an item's run of layer 3 is told from all others by. */
export const itemIdentity = (batchId: string, { id, attempt }: DueItem) => ({
  layer: 'execute' as const,
  identity: [batchId, id, attempt],
})

export const itemRun = (workflow: Workflow, batchId: string, item: DueItem): LayerRun => ({
  ...itemIdentity(batchId, item),
  batchId,
  body: { batchId, [itemIdField(workflow)]: item.id, attempt: item.attempt },
})

/** The id of a run, to which the SDK adds `wfr_`. */
export const workflowRunId = (
  { ENVIRONMENT }: Services['env'],
  { name }: Pick<Workflow, 'name'>,
  { layer, identity }: Pick<LayerRun, 'layer' | 'identity'>,
): Promise<string> => runId([ENVIRONMENT, name, layer, ...identity])

/** How QStash bounds a layer's deliveries, unless a batch has pinned its own pace. */
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
  const { env, client } = services
  const options = await Promise.all(
    runs.map(async ({ layer, identity, batchId, body, delaySeconds }) => ({
      url: env.APP_URL + layerPath(workflow, layer),
      body,
      workflowRunId: await workflowRunId(env, workflow, { layer, identity }),
      ...(delaySeconds === undefined ? {} : { delay: delaySeconds }),
      retries: workflow.layers[layer].retries,
      retryDelay: workflow.layers[layer].retryDelay,
      flowControl: flowControl(services, workflow, layer),
      label: [layerKey(env.ENVIRONMENT, workflow, layer), ...(batchId === undefined ? [] : [batchId])],
    })),
  )
  try {
    await client.trigger(options)
  } catch (error) {
    throw new ServiceError(`QStash did not take ${runs.length} run(s)`, { cause: error })
  }
}

/** Starts the run that an attempt of an item has, at once or after so many seconds. @throws Error like `triggerRuns`. */
export const triggerItem = (
  services: Services,
  workflow: Workflow,
  { batchId, itemId, attempt }: { batchId: string; itemId: string; attempt: number },
  delaySeconds?: number,
): Promise<void> =>
  triggerRuns(services, workflow, [
    {
      ...itemRun(workflow, batchId, { id: itemId, attempt }),
      ...(delaySeconds === undefined ? {} : { delaySeconds }),
    },
  ])
