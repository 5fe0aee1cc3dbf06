import { createRoute, z } from '@hono/zod-openapi'
import { batchSince } from '../../engine/ledger/progress.ts'
import { notFound } from '../../errors.ts'
import { streamed, textStream } from '../stream.ts'
import { batchPath, createApi, problemsOfOne, security } from './api.ts'
import { followBatch, followLimits } from './follow-batch.ts'

const eventId = z
  .string()
  .regex(/^\d{1,15}$/, 'is not the id of an event')
  .transform(Number)
  .optional()

const events = createRoute({
  method: 'get',
  path: '/batches/{id}/events',
  operationId: 'followBatch',
  summary: 'What happens to a batch, as server-sent events',
  description: `\`change\`: an entry of the log of changes, with its id as the event's. \`batch\`: the batch with its
progress; on connecting, and whenever it differs from the last one.

A first connection gets the batch and then all of its changes from the beginning; one with \`Last-Event-ID\` the changes
after that one, and then the batch. No change is missed or comes twice. The stream ends after a minute: connect again. It
ends at once when everything was sent of a batch that has ended and of which nothing is at work. The database is asked
every two seconds; a comment comes when there is nothing new.`,
  tags: ['batches'],
  security,
  request: {
    params: batchPath,
    headers: z.object({
      'last-event-id': eventId.openapi({ description: 'Id of the last change that arrived' }),
    }),
    query: z.strictObject({
      lastEventId: eventId.openapi({ description: 'The same, for clients that cannot set the header' }),
    }),
  },
  responses: { 200: streamed('text/event-stream', 'The events'), ...problemsOfOne },
})

/** @param limits of one connection. */
export const eventRoutes = (limits = followLimits) =>
  createApi().openapi(events, async (c) => {
    const { id } = c.req.valid('param')
    const after = c.req.valid('header')['last-event-id'] ?? c.req.valid('query').lastEventId ?? null
    const { db } = c.var.services
    const read = (seen: number) => batchSince(db, id, seen, limits.changes)
    const first = await read(after ?? 0)
    if (first === undefined) throw notFound(`batch ${id}`)
    const stream = textStream((gone) => followBatch({ first, after, read }, limits, gone))
    return c.body(stream, 200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  })
