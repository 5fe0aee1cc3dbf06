import { type Context, Hono } from 'hono'
import type { Message } from '../message.ts'
import { Problem } from '../problem.ts'
import { countParam, isIn, listParam, pageOf, requireFilter } from '../query.ts'
import { sourceHeaders } from '../send.ts'
import type { World } from '../world.ts'

const DEFAULT_COUNT = 100
const CANCEL_PARAMS = new Set(['messageIds', 'url', 'label', 'flowControlKey', 'count'])

function showMessage(message: Message) {
  const { labels } = message
  return {
    messageId: message.id,
    url: message.url,
    method: message.method,
    header: sourceHeaders(message),
    body: message.body,
    maxRetries: message.retries,
    notBefore: message.notBefore,
    createdAt: message.createdAt,
    callerIP: '127.0.0.1',
    ...(message.retryDelay !== undefined && { retryDelayExpression: message.retryDelay }),
    ...(message.callback && { callback: message.callback.url }),
    ...(message.failureCallback && { failureCallback: message.failureCallback.url }),
    ...(message.flowKey !== '' && { flowControlKey: message.flowKey }),
    ...(labels.length > 0 && { label: labels[0], labels }),
  }
}

function findMessage(world: World, id: string): Message {
  const message = world.mailbox.get(id)
  if (!message) throw new Problem(404, `message ${id} is not found`)
  return message
}

function cancelMessage(world: World, message: Message): void {
  world.outbox.drop(message)
  world.mailbox.note(message, 'CANCELED', world.clock.now())
}

function cancelSelected(world: World, c: Context): number {
  requireFilter(c, CANCEL_PARAMS)
  const [ids, urls, labels, flowKeys] = ['messageIds', 'url', 'label', 'flowControlKey'].map((name) =>
    listParam(c, name),
  )
  const selected = world.mailbox
    .pending()
    .filter(
      (message) =>
        isIn(ids, message.id) &&
        isIn(urls, message.url) &&
        isIn(flowKeys, message.flowKey) &&
        (!labels || message.labels.some((label) => labels.includes(label))),
    )
  for (const message of selected) cancelMessage(world, message)
  return selected.length
}

function listEvents(world: World, c: Context) {
  const [ids, legacyIds, states] = ['messageIds', 'messageId', 'state'].map((name) => listParam(c, name))
  const [urls, labels] = [listParam(c, 'url'), listParam(c, 'label')]
  const page = { cursor: c.req.query('cursor'), count: countParam(c, DEFAULT_COUNT) }
  const { items, cursor } = pageOf(
    world.mailbox.events(),
    page,
    (event) =>
      isIn(ids ?? legacyIds, event.messageId) &&
      isIn(states, event.state) &&
      isIn(urls, event.url) &&
      (!labels || (event.labels ?? []).some((label) => labels.includes(label))),
  )
  return { events: items, ...(cursor !== undefined && { cursor }) }
}

/** Plain messages: reading, cancelling, and their log. */
export function messageRoutes(world: World) {
  return new Hono()
    .get('/v2/messages/:id', (c) => c.json(showMessage(findMessage(world, c.req.param('id')))))
    .delete('/v2/messages/:id', (c) => {
      cancelMessage(world, findMessage(world, c.req.param('id')))
      return c.json({ cancelled: 1 })
    })
    .delete('/v2/messages', (c) => c.json({ cancelled: cancelSelected(world, c) }))
    .get('/v2/events', (c) => c.json(listEvents(world, c)))
}
