import { WorkflowMiddleware, type WorkflowContext } from '@upstash/workflow'
import { serve, type WorkflowBindings } from '@upstash/workflow/hono'
import { Hono } from 'hono'
import { z } from 'zod'
import { describeError, presentable } from '../../errors.ts'
import type { LayerName, Workflow } from '../../workflows/contract.ts'
import type { AppEnv } from '../app-env.ts'
import { findBatch } from '../ledger/read-batches.ts'
import { layerLog, type LayerLog } from '../log.ts'
import { layerLabel, layerPath } from '../names.ts'
import type { Services } from '../services.ts'
import { followItem } from '../durable/follow-item.ts'
import { executeLayer } from './execute.ts'
import type { Failure, Layer } from './layer.ts'
import { paginateLayer } from './paginate.ts'
import { processLayer } from './process.ts'
import { plainMessage } from './plain-message.ts'
import { passOverRetriedCall } from './retried-call.ts'
import { described, parsePayload, step } from './step.ts'
import { verifySignature } from './verify-signature.ts'

/** The three layers of every workflow, each as one route that only QStash may call. */
export function mountWorkflows(workflows: readonly Workflow[]): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  app.use('/api/workflows/*', verifySignature)
  for (const workflow of workflows) {
    mountLayer(app, workflow, 'process', processLayer)
    mountLayer(app, workflow, 'paginate', paginateLayer)
    mountLayer(app, workflow, 'execute', executeLayer, workflows)
  }
  return app
}

function mountLayer<Payload extends { batchId?: string | undefined }>(
  app: Hono<AppEnv>,
  workflow: Workflow,
  name: LayerName,
  layer: Layer<Payload>,
  workflows: readonly Workflow[] = [workflow],
): void {
  const path = layerPath(workflow, name)
  const stepName = layerLabel(workflow, name)
  const schema = layer.payload(workflow)
  const log = layerLog(workflow, name)

  app.post(path, plainMessage(workflow, name), passOverRetriedCall, async (c) => {
    const { services } = c.var
    const { env } = services
    const handle = serve<unknown, WorkflowBindings, AppEnv['Variables']>(
      async (context: WorkflowContext) => {
        if (name === 'execute' && workflow.run !== null)
          return await followItem(context, services, workflow, workflows)
        const { workflowRunId, retried, requestPayload } = context
        const payload = parsePayload(schema, requestPayload, (reason) =>
          log.error('run refused', { run: workflowRunId, reason }),
        )
        return await step(context, workflow, stepName, () =>
          layer.run(services, workflow, payload, { workflowRunId, retried }),
        )
      },
      {
        env: {},
        qstashClient: services.qstash,
        url: env.APP_URL + path,
        // The signature has been verified by the middleware, with the URL.
        receiver: undefined,
        middlewares: [logging(log)],
        async failureFunction({ context, failResponse }) {
          const payload = schema.safeParse(context.requestPayload)
          const reason = describeError(failResponse).message
          log.error('run failed', { run: context.workflowRunId, reason })
          if (payload.success) {
            await described(() => fail(layer, services, workflow, payload.data, { reason }))
          }
        },
      },
    )
    return await withoutStack(await handle(c))
  })
}

/** The SDK puts the stack of an error beside it, for QStash to keep and to show. */
async function withoutStack(answer: Response): Promise<Response> {
  if (answer.ok) return answer
  const { error, message } = refusalSchema.parse(await answer.json())
  return new Response(JSON.stringify({ error, message: presentable(message) }), answer)
}

const refusalSchema = z.object({ error: z.string().catch('Error'), message: z.string().catch('') })

/** What the SDK has to say, in our own log lines. */
const logging = (log: LayerLog) =>
  new WorkflowMiddleware({
    name: 'log',
    callbacks: {
      onError: ({ workflowRunId, error }) =>
        log.error('delivery failed', { run: workflowRunId, ...describeError(error) }),
      onWarning: ({ workflowRunId, warning }) => log.info(warning, { run: workflowRunId }),
    },
  })

/** Hands a failed run to its layer, unless it was for no batch of the workflow. */
async function fail<Payload extends { batchId?: string | undefined }>(
  layer: Layer<Payload>,
  services: Services,
  workflow: Workflow,
  payload: Payload,
  failure: Failure,
): Promise<void> {
  const { batchId } = payload
  if (batchId === undefined) return
  const batch = await findBatch(services.db, batchId)
  if (batch?.workflow !== workflow.name) return
  await layer.failed(services, workflow, { ...payload, batchId }, failure)
}
