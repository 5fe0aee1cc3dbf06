import type { LayerName, Workflow } from '../workflows/contract.ts'
import { layerLabel } from './names.ts'

type Fields = Record<string, string | number | boolean | null | undefined>

const line = (prefix: string, message: string, fields: Fields) =>
  `[${prefix}] ${message} ${JSON.stringify(fields)}`

export type LayerLog = ReturnType<typeof layerLog>

/** Log lines of one layer: `[agent-welcome:generate] item succeeded {"batchId":…}`. */
export function layerLog(workflow: Workflow, layer: LayerName) {
  const prefix = `${workflow.name}:${layerLabel(workflow, layer)}`
  return {
    info: (message: string, fields: Fields) => console.log(line(prefix, message, fields)),
    error: (message: string, fields: Fields) => console.error(line(prefix, message, fields)),
  }
}
