import type { LocalQstash } from '../qstash/index.ts'
import type { Api, Batch, Plan } from './api.ts'
import { startProgress } from './progress.ts'
import { toReport, type WorkflowReport } from './report.ts'
import { runBatch } from './run-batch.ts'
import type { Shown } from './shown.ts'
import { whatHappenedOutside, type Outside } from './outside.ts'

export type DemoOptions = {
  api: Api
  workflows: readonly Shown[]
  outside: Outside
  /** Null: the QStash is not the local one. */
  qstash: LocalQstash | null
  /** Where people look. */
  stream: NodeJS.WriteStream
  say: (text: string) => void
  signal: AbortSignal
  /** Called with each workflow's report. */
  onReport: (report: WorkflowReport) => void
}

/** Shows what every workflow would do, lets it do it, and shows that nothing is left. */
export async function runDemo(options: DemoOptions): Promise<void> {
  const { api, workflows, say } = options
  say('Dry run (nothing is started):')
  const plans = new Map<Shown, Plan>()
  for (const workflow of workflows) {
    const plan = await api.plan(workflow.name)
    say(`  ${workflow.name}: ${describePlan(workflow, plan)}`)
    plans.set(workflow, plan)
  }
  for (const [workflow, plan] of plans) options.onReport(await runWorkflow(options, workflow, plan))
  const outside = whatHappenedOutside(options.outside)
  if (outside !== null) say(`\n  ${outside}`)
}

const describePlan = ({ entities }: Shown, plan: Plan) =>
  `${plan.toProcess} of ${plan.totalEligible} ${entities} to process, ${plan.alreadyProcessed} already done`

async function runWorkflow(options: DemoOptions, workflow: Shown, plan: Plan): Promise<WorkflowReport> {
  const { api, qstash, say, signal } = options
  const { name } = workflow
  say('')
  const startedAt = performance.now()
  const progress = startProgress(options.stream, name, plan.toProcess)
  const batch = await runBatch(api, name, {
    onProgress: (done) => progress.show(done),
    whileWaiting: () => letTimePass(options),
    signal,
  }).finally(() => progress.stop())
  const seconds = (performance.now() - startedAt) / 1000
  say(`  ${describeBatch(batch, seconds)}`)
  await showItems(options, workflow, batch)
  // The save of the last item closes the batch; that item's own run still has to end.
  await qstash?.idle({ ignoreDelayed: true })
  const after = await api.plan(name)
  say(`  Dry run again: ${describePlan(workflow, after)}`)
  const deliveries = qstash === null ? null : (qstash.stats().deliveriesByLabel[batch.id] ?? 0)
  return toReport(name, { plan, after, batch, deliveries, seconds })
}

/** A day passes for QStash, and somebody decides one thing that waits for a decision. */
async function letTimePass({ api, qstash, say }: DemoOptions): Promise<void> {
  const [approval] = (await api.approvals()).data
  if (approval !== undefined) {
    say(`  somebody approves: ${shorten(approval.subject)}`)
    return await api.approve(approval.id).then(() => undefined)
  }
  await qstash?.idle({ ignoreDelayed: true })
  qstash?.advance(dayMs)
}

function describeBatch({ id, status, reason, counts }: Batch, seconds: number): string {
  const numbers = `${counts.succeeded} succeeded, ${counts.skipped} skipped, ${counts.failed} failed`
  const because = reason === null ? '' : ` (${reason})`
  return `Batch ${id} ${status}${because} in ${seconds.toFixed(1)} s: ${numbers}`
}

async function showItems({ api, say }: DemoOptions, workflow: Shown, batch: Batch): Promise<void> {
  for (const { id } of (await api.items(batch.id, 'succeeded', 3)).data) {
    say(`  ${id}: ${shorten(await workflow.readResult(api, id, batch.id))}`)
  }
  for (const { id, error } of (await api.items(batch.id, 'failed', 3)).data) {
    say(`  ${id} failed: ${error?.message ?? 'no error recorded'}`)
  }
}

const dayMs = 86_400_000

const shorten = (text: string) => (text.length > 150 ? `${text.slice(0, 149)}…` : text)
