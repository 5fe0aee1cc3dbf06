import { type Context, Hono } from 'hono'
import { findLetter, LETTER_PARAMS, recoverOne, recoverSelected, selectLetters, showLetter } from '../dlq.ts'
import { sendFailureCallback } from '../fail-run.ts'
import { Problem } from '../problem.ts'
import { requireFilter } from '../query.ts'
import { republish } from '../recover.ts'
import type { World } from '../world.ts'

function deleteSelected(world: World, c: Context) {
  requireFilter(c, LETTER_PARAMS)
  const { items, cursor } = selectLetters(world, c)
  for (const letter of items) world.deadLetters.delete(letter.dlqId)
  return { deleted: items.length, ...(cursor && { cursor }) }
}

function deleteOne(world: World, dlqId: string) {
  world.deadLetters.delete(findLetter(world, dlqId).dlqId)
  return { deleted: 1 }
}

function retryCallback(world: World, dlqId: string) {
  const letter = findLetter(world, dlqId)
  const { run } = letter.message
  if (run?.failure?.state !== 'CALLBACK_FAIL') {
    throw new Problem(400, 'only a failure callback that has failed can be retried')
  }
  sendFailureCallback(world, run, letter.message, letter.outcome)
  return { workflowRunId: run.id, workflowCreatedAt: run.createdAt }
}

function retrySelected(world: World, c: Context) {
  requireFilter(c, LETTER_PARAMS)
  const { items, cursor } = selectLetters(world, c)
  return {
    responses: items.map((letter) => ({ messageId: republish(world, letter) })),
    ...(cursor && { cursor }),
  }
}

/** The dead letter queue: reading it, and bringing its runs and messages back. */
export function dlqRoutes(world: World) {
  const app = new Hono()
  for (const path of ['/v2/dlq', '/v2/workflows/dlq']) {
    app
      .get(path, (c) => {
        const { items, cursor } = selectLetters(world, c)
        return c.json({ messages: items.map(showLetter), ...(cursor && { cursor }) })
      })
      .delete(path, (c) => c.json(deleteSelected(world, c)))
      .get(`${path}/:dlqId`, (c) => c.json(showLetter(findLetter(world, c.req.param('dlqId')))))
      .delete(`${path}/:dlqId`, (c) => c.json(deleteOne(world, c.req.param('dlqId'))))
  }
  for (const recovery of ['resume', 'restart'] as const) {
    const path = `/v2/workflows/dlq/${recovery}`
    app
      .post(path, (c) => c.json(recoverSelected(world, c, recovery)))
      .post(`${path}/:dlqId`, (c) =>
        c.json(recoverOne(world, c, findLetter(world, c.req.param('dlqId')), recovery)),
      )
  }
  return app
    .post('/v2/workflows/dlq/callback/:dlqId', (c) => c.json(retryCallback(world, c.req.param('dlqId'))))
    .post('/v2/dlq/retry', (c) => c.json(retrySelected(world, c)))
}
