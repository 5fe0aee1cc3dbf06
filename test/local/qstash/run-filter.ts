import type { Context } from 'hono'
import { isIn, listParam, numberParam } from './query.ts'
import type { Run } from './run.ts'

/** Query parameters of a bulk cancel. */
export const CANCEL_PARAMS: ReadonlySet<string> = new Set([
  'workflowRunIds',
  'workflowUrl',
  'workflowUrlExactMatch',
  'label',
  'fromDate',
  'toDate',
  'callerIp',
  'flowControlKey',
  'host',
  'path',
  'count',
])

type UrlMatch = 'exact' | 'prefix'

function matchesUrl(run: Run, urls: string[] | undefined, match: UrlMatch): boolean {
  if (!urls) return true
  return urls.some((url) => (match === 'exact' ? run.url === url : run.url.startsWith(url)))
}

function matchesDate(time: number, from: number | undefined, to: number | undefined): boolean {
  return (from === undefined || time >= from) && (to === undefined || time <= to)
}

const hasLabel = (run: Run, labels: string[] | undefined) =>
  !labels || run.config.labels.some((label) => labels.includes(label))

/** The filters of a request over runs: values of one filter are alternatives, filters must all match. */
export function runFilter(c: Context, options: { url: UrlMatch }) {
  const ids = [...(listParam(c, 'workflowRunIds') ?? []), ...(listParam(c, 'workflowRunId') ?? [])]
  const labels = listParam(c, 'label')
  const urls = listParam(c, 'workflowUrl')
  const match = c.req.query('workflowUrlExactMatch') === 'true' ? 'exact' : options.url
  const [hosts, paths, states] = [listParam(c, 'host'), listParam(c, 'path'), listParam(c, 'state')]
  const [callers, flowKeys, messageId] = [
    listParam(c, 'callerIp'),
    listParam(c, 'flowControlKey'),
    c.req.query('messageId'),
  ]
  const [from, to, createdAt] = [
    numberParam(c, 'fromDate'),
    numberParam(c, 'toDate'),
    numberParam(c, 'workflowCreatedAt'),
  ]
  return {
    ids: ids.length > 0 ? ids : undefined,
    labels,
    matches: (run: Run): boolean => {
      const url = hosts || paths ? new URL(run.url) : undefined
      return (
        (ids.length === 0 || ids.includes(run.id)) &&
        hasLabel(run, labels) &&
        matchesUrl(run, urls, match) &&
        matchesDate(run.createdAt, from, to) &&
        (createdAt === undefined || run.createdAt === createdAt) &&
        isIn(callers, run.callerIp) &&
        isIn(flowKeys, run.config.flowKey) &&
        isIn(hosts, url?.host) &&
        isIn(paths, url?.pathname) &&
        isIn(states, run.state) &&
        (messageId === undefined || run.log.some((entry) => entry.messageId === messageId))
      )
    },
  }
}

/** A test of runs, with what an index can answer. */
export type RunFilter = ReturnType<typeof runFilter>
