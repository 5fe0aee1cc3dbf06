import type { WorkflowContext } from '@upstash/workflow'
import { serve, type WorkflowBindings } from '@upstash/workflow/hono'
import { Hono } from 'hono'
import type { LayerName, Workflow } from '../../workflows/contract.ts'
import type { AppEnv } from '../app-env.ts'
import { findBatch } from '../ledger/read-batches.ts'
import { layerLog } from '../log.ts'
import { layerLabel, layerPath } from '../names.ts'
import type { Services } from '../services.ts'
import { executeLayer } from './execute.ts'
import type { Layer } from './layer.ts'
import { paginateLayer } from './paginate.ts'
import { processLayer } from './process.ts'
import { parsePayload, step } from './step.ts'
import { verifySignature } from './verify-signature.ts'

/** The three layers of every workflow, each as one route that only QStash may call. */
export function mountWorkflows(workflows: readonly Workflow[]): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  app.use('/api/workflows/*', verifySignature)
  for (const workflow of workflows) {
    mountLayer(app, workflow, 'process', processLayer)
    mountLayer(app, workflow, 'paginate', paginateLayer)
    mountLayer(app, workflow, 'execute', executeLayer)
  }
  return app
}

function mountLayer<Payload extends { batchId?: string | undefined }>(
  app: Hono<AppEnv>,
  workflow: Workflow,
  name: LayerName,
  layer: Layer<Payload>,
): void {
  const path = layerPath(workflow, name)
  const stepName = layerLabel(workflow, name)
  const schema = layer.payload(workflow)

  app.post(path, async (c) => {
    const { services } = c.var
    const { env } = services
    const handle = serve<unknown, WorkflowBindings, AppEnv['Variables']>(
      async (context: WorkflowContext) => {
        const payload = parsePayload(schema, context.requestPayload)
        const { workflowRunId, retried } = context
        return await step(context, workflow, stepName, () =>
          layer.run(services, workflow, payload, { workflowRunId, retried }),
        )
      },
      {
        env: { QSTASH_URL: env.QSTASH_URL, QSTASH_TOKEN: env.QSTASH_TOKEN },
        url: env.APP_URL + path,
        // The signature has been verified by the middleware, with the URL.
        receiver: undefined,
        async failureFunction({ context, failResponse }) {
          const payload = schema.safeParse(context.requestPayload)
          const reason = failResponse.slice(0, 500)
          layerLog(workflow, name).error('run failed', { run: context.workflowRunId, reason })
          if (payload.success) await fail(layer, services, workflow, payload.data, reason)
        },
      },
    )
    return await handle(c)
  })
}

/** Hands a failed run to its layer, unless it was for no batch of the workflow. */
async function fail<Payload extends { batchId?: string | undefined }>(
  layer: Layer<Payload>,
  services: Services,
  workflow: Workflow,
  payload: Payload,
  reason: string,
): Promise<void> {
  const { batchId } = payload
  if (batchId === undefined) return
  const batch = await findBatch(services.db, batchId)
  if (batch?.workflow !== workflow.name) return
  await layer.failed(services, workflow, { ...payload, batchId }, reason)
}
