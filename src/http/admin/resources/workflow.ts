import { z } from '@hono/zod-openapi'
import { everyWorkflow, type KillSwitch } from '../../../engine/ledger/kill-switch.ts'
import { missingSettings } from '../../../engine/configured.ts'
import { layerPath } from '../../../engine/names.ts'
import type { Services } from '../../../engine/services.ts'
import { currentHandler, type LayerName, type Workflow } from '../../../workflows/contract.ts'
import { orNull } from '../api.ts'
import { budgetShown, canaryShown, estimateShown, tolerateShown } from './bounds.ts'

export const killSwitchSchema = z
  .object({
    workflow: z.string().openapi({ description: '`all` stands for every workflow' }),
    actor: z.string(),
    reason: z.string().nullable(),
    at: z.iso.datetime(),
  })
  .openapi('KillSwitch')

export const killSwitchResource = ({ at, ...rest }: KillSwitch) => ({ ...rest, at: at.toISOString() })

const layer = z
  .object({
    path: z.string(),
    retries: z.int(),
    retryDelay: z.string().openapi({ description: 'Milliseconds, over the number of tries so far' }),
    flowControl: z.object({ parallelism: z.int(), rate: z.int() }),
  })
  .openapi('Layer')

export const workflowSchema = z
  .object({
    name: z.string(),
    entity: z.object({ one: z.string(), many: z.string() }),
    schedule: z.string().nullable(),
    freshFor: z.string().nullable(),
    timeout: z.string(),
    pageSize: z.int(),
    chunkSize: z.int(),
    maxOutstanding: z.int(),
    estimate: orNull(estimateShown),
    budget: orNull(budgetShown),
    tolerate: orNull(tolerateShown),
    canary: orNull(canaryShown),
    overlap: z.enum(['skip', 'queue']),
    durable: z.boolean().openapi({ description: 'An item is handled in steps, which may last for weeks' }),
    handler: z.int().nullable().openapi({ description: 'Version of the handler that new items get' }),
    completion: z
      .enum(['ended', 'started'])
      .openapi({ description: 'When a batch completes: when its items have' }),
    replaySafe: z.boolean().openapi({
      description: 'False: to do an item again could mean a second mail or charge',
    }),
    layers: z.object({ process: layer, paginate: layer, execute: layer }),
    uses: z.array(z.enum(['mail', 'payments'])),
    notConfigured: z
      .array(z.string())
      .openapi({ description: 'Settings that are missing: it does not start while there are any' }),
    killSwitch: orNull(killSwitchSchema).openapi({
      description: 'Not null: nothing of this workflow starts',
    }),
  })
  .openapi('Workflow')

/** A workflow as the API shows it. */
export function workflowResource(
  workflow: Workflow,
  services: Services,
  switches: readonly KillSwitch[],
): z.output<typeof workflowSchema> {
  const killSwitch = switches.find(({ workflow: name }) => name === everyWorkflow || name === workflow.name)
  const { process, paginate, execute } = workflow.layers
  const path = (name: LayerName) => layerPath(workflow, name)
  return {
    name: workflow.name,
    entity: workflow.entity,
    schedule: workflow.schedule,
    freshFor: workflow.freshFor,
    timeout: workflow.timeout,
    pageSize: workflow.pageSize,
    chunkSize: workflow.chunkSize,
    maxOutstanding: workflow.maxOutstanding,
    estimate: workflow.estimate,
    budget: workflow.budget,
    tolerate: workflow.tolerate,
    canary: workflow.canary,
    overlap: workflow.overlap,
    durable: workflow.run !== null,
    handler: currentHandler(workflow),
    completion: workflow.completion,
    replaySafe: workflow.replaySafe,
    layers: {
      process: { path: path('process'), ...process },
      paginate: { path: path('paginate'), ...paginate },
      execute: { path: path('execute'), ...execute },
    },
    uses: [...workflow.uses],
    notConfigured: missingSettings(services, workflow),
    killSwitch: killSwitch === undefined ? null : killSwitchResource(killSwitch),
  }
}
