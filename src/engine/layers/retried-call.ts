import type { MiddlewareHandler } from 'hono'
import { z } from 'zod'
import { parsed } from '../../services/ask.ts'
import type { AppEnv } from '../app-env.ts'

const answerSchema = z.object({
  status: z.number(),
  retried: z.number().optional(),
  maxRetries: z.number().min(1),
})

/**
 * Passes over what QStash says of a call that has failed and that it will make again. So does the SDK, but it logs what
 * was answered, which may repeat what was asked.
 */
export const passOverRetriedCall: MiddlewareHandler<AppEnv> = async (c, next) => {
  if (c.req.header('upstash-workflow-callback') === undefined) return await next()
  const answer = answerSchema.safeParse(parsed(await c.req.raw.clone().text())).data
  if (answer === undefined) return await next()
  const { status, retried, maxRetries } = answer
  if ((status >= 200 && status < 300) || retried === maxRetries) return await next()
  return c.json({ success: true, message: 'the call will be made again' })
}
