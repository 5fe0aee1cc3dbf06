import { layerPath } from '../../src/engine/names.ts'
import { layerNames } from '../../src/workflows/contract.ts'
import { registry } from '../../src/workflows/registry.ts'

export type Route = { method: 'GET' | 'POST'; path: string }

/** Every admin route by its pattern; a test compares them with what is mounted. */
export const adminRoutes: readonly Route[] = [
  { method: 'GET', path: '/api/admin/workflows' },
  { method: 'POST', path: '/api/admin/workflows/:name/batches' },
  { method: 'GET', path: '/api/admin/plans' },
  { method: 'GET', path: '/api/admin/batches' },
  { method: 'GET', path: '/api/admin/batches/:id' },
  { method: 'GET', path: '/api/admin/batches/:id/items' },
  { method: 'POST', path: '/api/admin/batches/:id/pause' },
  { method: 'POST', path: '/api/admin/batches/:id/resume' },
  { method: 'POST', path: '/api/admin/batches/:id/cancel' },
]

/** Every layer of every workflow. */
export const workflowRoutes: readonly Route[] = registry.flatMap((workflow) =>
  layerNames.map((layer) => ({ method: 'POST', path: layerPath(workflow, layer) })),
)

export const resultRoutes: readonly Route[] = [
  { method: 'GET', path: '/api/users/:id/welcome-placeholders' },
  { method: 'GET', path: '/api/agents/:id/welcome' },
]

/** The path of a route for these ids. */
export const pathFor = ({ path }: Route, ids: { name?: string; id?: string }) =>
  path
    .replace(':name', ids.name ?? 'welcome-placeholder')
    .replace(':id', ids.id ?? '01a00000-0000-7000-8000-000000000000')
