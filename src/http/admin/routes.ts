import type { Workflow } from '../../workflows/contract.ts'
import { authenticate } from '../auth.ts'
import { limitBody } from '../limit-body.ts'
import { jsonOnly } from '../respond.ts'
import { createApi } from './api.ts'
import { approvalRoutes } from './approvals.ts'
import { batchRoutes } from './batches.ts'
import { changeRoutes } from './changes.ts'
import { controlRoutes } from './control.ts'
import { eventRoutes } from './events.ts'
import { failureRoutes } from './failures.ts'
import { giveEventRoutes } from './give-event.ts'
import { itemRoutes } from './items.ts'
import { killSwitchRoutes } from './kill-switches.ts'
import { planRoutes } from './plans.ts'
import { proofRoutes } from './proof.ts'
import { sampleRoutes } from './samples.ts'
import { startRoutes } from './start.ts'
import { tokenRoutes } from './tokens.ts'
import { workflowRoutes } from './workflows.ts'

const maxBodyBytes = 64 * 1024

/** What operators use: everything below `/api/admin`. */
export function adminRoutes(workflows: readonly Workflow[]) {
  const api = createApi()
  api.use('/api/admin/*', authenticate, limitBody(maxBodyBytes), jsonOnly)
  return api
    .route('/api/admin', workflowRoutes(workflows))
    .route('/api/admin', startRoutes(workflows))
    .route('/api/admin', planRoutes())
    .route('/api/admin', sampleRoutes(workflows))
    .route('/api/admin', batchRoutes())
    .route('/api/admin', itemRoutes(workflows))
    .route('/api/admin', giveEventRoutes(workflows))
    .route('/api/admin', approvalRoutes())
    .route('/api/admin', eventRoutes())
    .route('/api/admin', proofRoutes())
    .route('/api/admin', controlRoutes(workflows))
    .route('/api/admin', failureRoutes(workflows))
    .route('/api/admin', killSwitchRoutes(workflows))
    .route('/api/admin', changeRoutes())
    .route('/api/admin', tokenRoutes())
}

/**
 * Types a client: `hc<AdminApi>(url, { headers: { authorization: `Bearer ${token}` } })` of `hono/client`. It is only a type.
 */
export type AdminApi = ReturnType<typeof adminRoutes>
