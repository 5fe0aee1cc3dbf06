import { createRoute, z } from '@hono/zod-openapi'
import { listKillSwitches } from '../../engine/ledger/kill-switch.ts'
import type { Workflow } from '../../workflows/contract.ts'
import { createApi, json, problems, security } from './api.ts'
import { workflowResource, workflowSchema } from './resources/workflow.ts'

const list = createRoute({
  method: 'get',
  path: '/workflows',
  operationId: 'listWorkflows',
  summary: 'Every workflow, with its routes and bounds',
  tags: ['workflows'],
  security,
  responses: { 200: json(z.object({ data: z.array(workflowSchema) }), 'The workflows'), ...problems },
})

export const workflowRoutes = (workflows: readonly Workflow[]) =>
  createApi().openapi(list, async (c) => {
    const switches = await listKillSwitches(c.var.services.db)
    return c.json(
      { data: workflows.map((workflow) => workflowResource(workflow, c.var.services, switches)) },
      200,
    )
  })
