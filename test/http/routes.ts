import { layerPath } from '../../src/engine/names.ts'
import { layerNames } from '../../src/workflows/contract.ts'
import { registry } from '../../src/workflows/registry.ts'
import { operations } from './document.ts'

export type Route = { method: string; path: string }

/** Every operation of the document, with a path that it may have. */
export const describedRoutes: readonly Route[] = operations.map(({ method, path }) => ({
  method,
  path: path
    .replace('{id}', '01a00000-0000-7000-8000-000000000000')
    .replaceAll(/\{\w+\}/g, 'welcome-placeholder'),
}))

/** Every layer of every workflow. */
export const workflowRoutes: readonly Route[] = registry.flatMap((workflow) =>
  layerNames.map((layer) => ({ method: 'POST', path: layerPath(workflow, layer) })),
)
