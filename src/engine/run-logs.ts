import { z } from 'zod'
import { presentable } from '../errors.ts'
import type { LayerName, Workflow } from '../workflows/contract.ts'
import { layerPath } from './names.ts'
import type { Services } from './services.ts'
import { workflowRunId, type LayerRun } from './trigger.ts'

const runLog = z.object({
  workflowRunId: z.string(),
  workflowUrl: z.string(),
  workflowState: z.string(),
  workflowRunCompletedAt: z.number().nullish(),
  failureFunction: z.object({ state: z.string(), failResponse: z.string().optional() }).nullish(),
})
type RunLog = z.output<typeof runLog>

const answer = z.object({ cursor: z.string().nullish(), runs: z.array(runLog).nullish() })

/** Runs in one answer, and answers to one question: more than a batch may have outstanding. */
const pageSize = 100
const mostPages = { RUN_STARTED: 100, RUN_FAILED: 10 }

/** Milliseconds after which a report that QStash says is on its way does not come any more. */
const longestReport = 900_000

/** How many runs may still be asked for one by one. */
export type Lookups = { left: number }

/** What QStash says of a run. */
export type Fate =
  /** It has something to deliver, perhaps its failure report. */
  | { is: 'alive' }
  /** It failed, and its report of that came to nothing. */
  | { is: 'unreported'; reason: string }
  /** It ended, or QStash has never heard of it. */
  | { is: 'gone' }
  /** There was no more time to ask. */
  | { is: 'unknown' }

/** The runs of one batch, as QStash knows them. */
export type BatchRuns = {
  /** A run of this layer is alive. */
  anyAlive(layer: LayerName): boolean
  fateOf(run: Pick<LayerRun, 'layer' | 'identity'>): Promise<Fate>
}

/**
 * Asks QStash for the runs of a batch: first for those that are alive, and only if one is missed for those that failed.
 * Where there are too many to list, single runs are asked for, as long as `lookups` lasts.
 *
 * @throws Error when QStash does not answer, or not in the shape that is known.
 */
export async function batchRuns(
  services: Services,
  workflow: Workflow,
  batchId: string,
  lookups: Lookups,
): Promise<BatchRuns> {
  const alive = await listRuns(services, batchId, 'RUN_STARTED')
  const urls = [...alive.runs.values()].map(({ workflowUrl }) => workflowUrl)
  let failed: ReturnType<typeof listRuns> | undefined

  const logOf = async (id: string): Promise<RunLog | undefined | 'unknown'> => {
    failed ??= listRuns(services, batchId, 'RUN_FAILED')
    const { runs, complete } = await failed
    const found = runs.get(id)
    if (found !== undefined || (complete && alive.complete)) return found
    if (lookups.left === 0) return 'unknown'
    lookups.left -= 1
    return await findRun(services, id)
  }

  return {
    anyAlive: (layer) => urls.some((url) => url.endsWith(layerPath(workflow, layer))),
    async fateOf(run) {
      const id = `wfr_${await workflowRunId(services.env, workflow, run)}`
      if (alive.runs.has(id)) return { is: 'alive' }
      const log = await logOf(id)
      return log === 'unknown' ? { is: 'unknown' } : judge(log)
    },
  }
}

function judge(log: RunLog | undefined): Fate {
  if (log?.workflowState === 'RUN_STARTED') return { is: 'alive' }
  if (log?.workflowState !== 'RUN_FAILED') return { is: 'gone' }
  const { state, failResponse } = log.failureFunction ?? {}
  const late = Date.now() - (log.workflowRunCompletedAt ?? 0) > longestReport
  if (state === 'CALLBACK_INPROGRESS' && !late) return { is: 'alive' }
  return state === 'CALLBACK_SUCCESS' ? { is: 'gone' } : { is: 'unreported', reason: reasonOf(failResponse) }
}

const thrown = z.object({ message: z.string().min(1) })

/** What the run's last delivery answered; an error of ours is JSON with its message. */
function reasonOf(response: string | undefined): string {
  if (response === undefined || response === '') return 'its deliveries failed'
  try {
    return presentable(thrown.parse(JSON.parse(response)).message)
  } catch {
    return presentable(response)
  }
}

type State = keyof typeof mostPages

/** Every run of a batch in a state by its id, as far as the bound allows. */
async function listRuns(
  { client }: Services,
  batchId: string,
  state: State,
): Promise<{ runs: Map<string, RunLog>; complete: boolean }> {
  const runs = new Map<string, RunLog>()
  let cursor: string | undefined
  for (let page = 0; page < mostPages[state]; page += 1) {
    const filter = { label: batchId, state }
    const listed = answer.parse(
      await client.logs({ filter, count: pageSize, ...(cursor === undefined ? {} : { cursor }) }),
    )
    for (const run of listed.runs ?? []) runs.set(run.workflowRunId, run)
    cursor = listed.cursor ?? ''
    if (cursor === '') return { runs, complete: true }
  }
  return { runs, complete: false }
}

async function findRun({ client }: Services, id: string): Promise<RunLog | undefined> {
  const { runs } = answer.parse(await client.logs({ filter: { workflowRunId: id } }))
  const known = (runs ?? []).filter(({ workflowRunId: found }) => found === id)
  return known.find(({ workflowState }) => workflowState === 'RUN_STARTED') ?? known[0]
}
