import type { Context } from 'hono'
import { type LogGroup, stepGroups } from './log-steps.ts'
import { countParam, pageOf } from './query.ts'
import { redactor } from './redact.ts'
import { runFilter } from './run-filter.ts'
import type { FailureReport, Run, RunState } from './run.ts'
import type { World } from './world.ts'

const DEFAULT_COUNT = 10

/** One run as the logs show it. */
export type RunLog = {
  workflowRunId: string
  workflowUrl: string
  workflowState: RunState
  workflowRunCreatedAt: number
  workflowRunCompletedAt?: number
  workflowRunResponse?: string
  failureFunction?: ReturnType<typeof failureLog>
  invoker?: { workflowRunId: string; workflowUrl: string; workflowRunCreatedAt: number }
  dlqId?: string
  label?: string
  labels?: readonly string[]
  steps: LogGroup[]
}

function failureLog(run: Run, failure: FailureReport) {
  const { message, response } = failure
  return {
    messageId: message.id,
    url: message.url,
    state: failure.state,
    failHeaders: failure.headers,
    failStatus: failure.status,
    failResponse: failure.body,
    dlqId: run.dlqId ?? '',
    ...(message.errors.length > 0 && { errors: message.errors }),
    ...(response && {
      responseBody: response.body,
      responseHeaders: response.headers,
      responseStatus: response.status,
    }),
  }
}

/** Describes one run. */
export function runLog(run: Run): RunLog {
  const { invoker, config } = run
  const redact = redactor(config.redact)
  return {
    workflowRunId: run.id,
    workflowUrl: run.url,
    workflowState: run.state,
    workflowRunCreatedAt: run.createdAt,
    ...(run.completedAt !== undefined && { workflowRunCompletedAt: run.completedAt }),
    ...(run.response !== undefined && { workflowRunResponse: redact.body(run.response) }),
    ...(run.failure && { failureFunction: failureLog(run, run.failure) }),
    ...(invoker && {
      invoker: {
        workflowRunId: invoker.runId,
        workflowUrl: invoker.url,
        workflowRunCreatedAt: invoker.createdAt,
      },
    }),
    ...(run.dlqId !== undefined && { dlqId: run.dlqId }),
    ...(config.labels.length > 0 && { label: config.labels[0] ?? '', labels: config.labels }),
    steps: stepGroups(run),
  }
}

/** Answers a request for logs: newest runs first. */
export function listLogs(world: World, c: Context): { runs: RunLog[]; cursor?: string } {
  const filter = runFilter(c, { url: 'exact' })
  const [id] = filter.ids ?? []
  const single = filter.ids?.length === 1 && id !== undefined ? world.runs.get(id) : undefined
  // An id may have been used again; only an older creation time asks for more than the newest run.
  const candidates =
    single && c.req.query('workflowCreatedAt') === undefined
      ? [single]
      : world.runs.list(filter.labels).toReversed()
  const page = { cursor: c.req.query('cursor'), count: countParam(c, DEFAULT_COUNT) }
  const { items, cursor } = pageOf(candidates, page, filter.matches)
  return { runs: items.map(runLog), ...(cursor !== undefined && { cursor }) }
}

/** What runs to list; everything given must match. */
export type RunsFilter = { runId?: string; label?: string; url?: string; state?: RunState }

/** The runs that match, newest first. */
export function findRuns(world: World, filter: RunsFilter = {}): RunLog[] {
  return world.runs
    .list(filter.label === undefined ? undefined : [filter.label])
    .filter(
      (run) =>
        (filter.runId === undefined || run.id === filter.runId) &&
        (filter.url === undefined || run.url === filter.url) &&
        (filter.state === undefined || run.state === filter.state),
    )
    .toReversed()
    .map(runLog)
}
