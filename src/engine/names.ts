import { sha256 } from '../digest.ts'
import type { LayerName, Workflow } from '../workflows/contract.ts'

/** Last path segment of a layer's route: process-users, paginate-users, generate-user. */
function segment({ entity, verb }: Workflow, layer: LayerName): string {
  return layer === 'execute' ? `${verb}-${entity.one}` : `${layer}-${entity.many}`
}

export const layerPath = (workflow: Workflow, layer: LayerName) =>
  `/api/workflows/${workflow.name}/${segment(workflow, layer)}`

/** What a layer is called in logs and step names; the last one has the workflow's own verb. */
export const layerLabel = (workflow: Workflow, layer: LayerName) =>
  layer === 'execute' ? workflow.verb : layer

/** Payload field with one item's id: userId. */
export const itemIdField = ({ entity }: Workflow) => `${entity.one}Id`

/** Payload field with a chunk's ids: userIds. */
export const itemIdsField = (workflow: Workflow) => `${itemIdField(workflow)}s`

/** What this deployment calls a layer in QStash: flow-control key and label. */
export const layerKey = (environment: string, workflow: Workflow, layer: LayerName) =>
  [environment, workflow.name, layer].join('.')

/** Same parts, same id: a trigger that is repeated starts nothing anew while its run lives. */
export const runId = (parts: readonly (string | number)[]): Promise<string> =>
  sha256(JSON.stringify(parts), 16)
