import type { WorkflowBindings } from '@upstash/workflow/hono'
import type { Services } from './services.ts'

/** What every Hono app of the Worker is typed with. */
export type AppEnv = { Bindings: WorkflowBindings; Variables: { services: Services } }
