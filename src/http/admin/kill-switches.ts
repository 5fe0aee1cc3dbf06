import { createRoute, z } from '@hono/zod-openapi'
import {
  engageKillSwitch,
  everyWorkflow,
  listKillSwitches,
  releaseKillSwitch,
} from '../../engine/ledger/kill-switch.ts'
import type { Workflow } from '../../workflows/contract.ts'
import { body, createApi, json, problems, problemsOfChange, reason, security, workflowNamed } from './api.ts'
import { askedBy } from '../auth.ts'
import { killSwitchResource, killSwitchSchema } from './resources/workflow.ts'

const list = createRoute({
  method: 'get',
  path: '/kill-switches',
  operationId: 'listKillSwitches',
  summary: 'Kill switches that are on',
  tags: ['kill switches'],
  security,
  responses: { 200: json(z.object({ data: z.array(killSwitchSchema) }), 'The kill switches'), ...problems },
})

const put = createRoute({
  method: 'put',
  path: '/kill-switches/{workflow}',
  operationId: 'setKillSwitch',
  summary: 'Turn a kill switch on or off',
  description:
    'On: nothing of the workflow starts, cron included, and its running batch is paused. Off: what it paused stays paused until it is resumed.',
  tags: ['kill switches'],
  security,
  request: {
    params: z.object({
      workflow: z.string().openapi({ description: 'Name of a workflow; `all` stands for every one' }),
    }),
    ...body(z.strictObject({ on: z.boolean(), reason }).openapi('KillSwitchChange')),
  },
  responses: {
    200: json(
      z.object({
        on: z.boolean(),
        isKilled: z
          .boolean()
          .openapi({ description: 'Nothing starts, perhaps because of the one for `all`' }),
        pausedBatchIds: z.array(z.uuid()).openapi({ description: 'Batches that this paused' }),
      }),
      'As it is now',
    ),
    ...problemsOfChange,
  },
})

export const killSwitchRoutes = (workflows: readonly Workflow[]) =>
  createApi()
    .openapi(list, async (c) =>
      c.json({ data: (await listKillSwitches(c.var.services.db)).map(killSwitchResource) }, 200),
    )
    .openapi(put, async (c) => {
      const { workflow } = c.req.valid('param')
      const name = workflow === everyWorkflow ? workflow : workflowNamed(workflows, workflow).name
      const asked = c.req.valid('json')
      const { on } = asked
      const by = askedBy(c.var.actor, asked)
      const { db } = c.var.services
      const pausedBatchIds = on ? await engageKillSwitch(db, name, by) : []
      if (!on) await releaseKillSwitch(db, name, by)
      const left = await listKillSwitches(db)
      const isKilled = left.some((killSwitch) => [name, everyWorkflow].includes(killSwitch.workflow))
      return c.json({ on, isKilled, pausedBatchIds }, 200)
    })
