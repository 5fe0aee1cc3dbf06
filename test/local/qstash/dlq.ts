import type { Context } from 'hono'
import type { DeadLetter } from './dead-letters.ts'
import { headerMap } from './headers.ts'
import { Problem } from './problem.ts'
import { deliveryOptions } from './publish-options.ts'
import { countParam, isIn, listParam, numberParam, pageOf, requireFilter } from './query.ts'
import { type Overrides, recover, type Recovery } from './recover.ts'
import { redactor } from './redact.ts'
import { responseHeaders } from './report.ts'
import { sourceHeaders } from './send.ts'
import type { World } from './world.ts'

const DEFAULT_COUNT = 100

/** Query parameters of a bulk action on dead letters. */
export const LETTER_PARAMS: ReadonlySet<string> = new Set([
  'dlqIds',
  'label',
  'flowControlKey',
  'callerIp',
  'url',
  'workflowUrl',
  'workflowRunId',
  'workflowCreatedAt',
  'failureFunctionState',
  'messageId',
  'responseStatus',
  'fromDate',
  'toDate',
  'source',
  'count',
  'cursor',
])

/** Values of one filter are alternatives, filters must all match. */
function letterFilter(c: Context): (letter: DeadLetter) => boolean {
  const lists = (name: string) => listParam(c, name)
  const [ids, labels, flowKeys, callers] = ['dlqIds', 'label', 'flowControlKey', 'callerIp'].map(lists)
  const [urls, workflowUrls, runIds, states] = [
    'url',
    'workflowUrl',
    'workflowRunId',
    'failureFunctionState',
  ].map(lists)
  const [messageIds, statuses] = ['messageId', 'responseStatus'].map(lists)
  const createdAt = numberParam(c, 'workflowCreatedAt')
  const [from, to] = [numberParam(c, 'fromDate') ?? -Infinity, numberParam(c, 'toDate') ?? Infinity]
  const workflowsOnly = c.req.query('source') === 'workflow'
  return ({ dlqId, message, outcome, createdAt: arrived }) => {
    const { run } = message
    return (
      (!workflowsOnly || run !== undefined) &&
      isIn(ids, dlqId) &&
      (!labels || message.labels.some((label) => labels.includes(label))) &&
      isIn(flowKeys, message.flowKey) &&
      isIn(callers, run?.callerIp ?? '127.0.0.1') &&
      isIn(urls, message.url) &&
      isIn(workflowUrls, run?.url) &&
      isIn(runIds, run?.id) &&
      isIn(states, run?.failure?.state) &&
      isIn(messageIds, message.id) &&
      isIn(statuses, String(outcome.status)) &&
      (createdAt === undefined || run?.createdAt === createdAt) &&
      arrived >= from &&
      arrived <= to
    )
  }
}

/** The letters that a request selects, newest first, one page of them. */
export function selectLetters(world: World, c: Context) {
  const page = { cursor: c.req.query('cursor'), count: countParam(c, DEFAULT_COUNT) }
  return pageOf(world.deadLetters.list().toReversed(), page, letterFilter(c))
}

/** One letter; Problem 404 when there is none. */
export function findLetter(world: World, dlqId: string): DeadLetter {
  const letter = world.deadLetters.get(dlqId)
  if (!letter) throw new Problem(404, `dead letter ${dlqId} is not found`)
  return letter
}

function callbackInfo({ message }: DeadLetter) {
  const { run } = message
  const response = run?.failure?.response
  return {
    ...(run?.config.failureCallback && { failureCallback: run.config.failureCallback.url }),
    ...(run?.failure && {
      failureCallbackInfo: {
        state: run.failure.state,
        ...(response && {
          responseStatus: response.status,
          responseBody: response.body,
          responseHeaders: response.headers,
        }),
      },
    }),
  }
}

/** A letter as `GET /v2/dlq` shows it. */
export function showLetter(letter: DeadLetter) {
  const { message, outcome } = letter
  const { run, labels } = message
  const redact = redactor(run?.config.redact)
  return {
    dlqId: letter.dlqId,
    messageId: message.id,
    url: message.url,
    method: message.method,
    header: redact.headers(sourceHeaders(message)),
    body: redact.body(run?.log[0]?.body ?? message.body),
    maxRetries: message.retries,
    notBefore: message.notBefore,
    createdAt: letter.createdAt,
    callerIP: run?.callerIp ?? '127.0.0.1',
    ...(run && { workflowRunId: run.id, workflowCreatedAt: run.createdAt, workflowUrl: run.url }),
    responseStatus: outcome.status,
    responseHeader: responseHeaders(outcome),
    responseBody: outcome.body.toString(),
    ...callbackInfo(letter),
    ...(message.flowKey !== '' && { flowControlKey: message.flowKey }),
    ...(labels.length > 0 && { label: labels[0], labels }),
  }
}

/** Resumes or restarts the selected runs. */
export function recoverSelected(world: World, c: Context, recovery: Recovery) {
  requireFilter(c, LETTER_PARAMS)
  const { items, cursor } = selectLetters(world, c)
  return {
    workflowRuns: items.map((letter) => recoverOne(world, c, letter, recovery)),
    ...(cursor && { cursor }),
  }
}

/** Resumes or restarts one run, with what the request's headers override. */
export function recoverOne(world: World, c: Context, letter: DeadLetter, recovery: Recovery) {
  const overrides: Overrides = deliveryOptions(headerMap(c.req.raw.headers), world.settings)
  const run = recover(world, letter, recovery, overrides)
  return { workflowRunId: run.id, workflowCreatedAt: run.createdAt }
}
