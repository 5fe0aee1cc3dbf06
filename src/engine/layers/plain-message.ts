import type { MiddlewareHandler } from 'hono'
import type { LayerName, Workflow } from '../../workflows/contract.ts'
import type { AppEnv } from '../app-env.ts'
import { messageRun, triggerRuns } from '../trigger.ts'

/** Headers of deliveries that the SDK knows what to do with. */
const protocolHeaders = [
  'upstash-workflow-sdk-version',
  'upstash-workflow-is-failure',
  'upstash-workflow-callback',
  'upstash-workflow-unknown-sdk',
]

/**
 * Turns a plain QStash message into a run. The SDK would too, but under a random id, so that a message which is
 * delivered twice would start twice, and without the failure callback, retries and flow control of the layer.
 */
export const plainMessage =
  (workflow: Workflow, layer: LayerName): MiddlewareHandler<AppEnv> =>
  async (c, next) => {
    if (protocolHeaders.some((name) => c.req.header(name) !== undefined)) return await next()
    const messageId = c.req.header('upstash-message-id') ?? crypto.randomUUID()
    const body = await c.req.raw.text()
    await triggerRuns(c.var.services, workflow, [messageRun(layer, messageId, body)])
    return c.json({ success: true, message: 'the run has been triggered' })
  }
