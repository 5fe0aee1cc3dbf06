import type { WorkflowContext } from '@upstash/workflow'
import { serve, type WorkflowBindings } from '@upstash/workflow/hono'
import { Hono } from 'hono'
import type { LayerName, Workflow } from '../../workflows/contract.ts'
import type { AppEnv } from '../app-env.ts'
import { layerLog } from '../log.ts'
import { layerLabel, layerPath } from '../names.ts'
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

function mountLayer<Payload>(
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
          layerLog(workflow, name).error('run failed', { run: context.workflowRunId, reason: failResponse })
          if (payload.success)
            await layer.failed(services, workflow, payload.data, failResponse.slice(0, 1000))
        },
      },
    )
    return await handle(c)
  })
}
