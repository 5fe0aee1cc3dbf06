import type { LocalQstash } from '../qstash/index.ts'
import type { Api, Batch, Plan } from './api.ts'
import { startProgress } from './progress.ts'
import { toReport, type WorkflowReport } from './report.ts'
import { runBatch } from './run-batch.ts'
import { readSteps, type Shown } from './shown.ts'
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
  const passing = { days: 0, decisions: 0 }
  const batch = await runBatch(api, name, {
    onProgress: (done) => progress.show(done),
    whileWaiting: () => letTimePass(options, passing),
    signal,
  }).finally(() => progress.stop())
  const seconds = (performance.now() - startedAt) / 1000
  say(`  ${describeBatch(batch, seconds)}${passing.days === 0 ? '' : `; ${passing.days} days were skipped`}`)
  await showItems(options, workflow, batch)
  // The save of the last item closes the batch; that item's own run still has to end.
  await qstash?.idle({ ignoreDelayed: true })
  const after = await api.plan(name)
  say(`  Dry run again: ${describePlan(workflow, after)}`)
  const deliveries = qstash === null ? null : (qstash.stats().deliveriesByLabel[batch.id] ?? 0)
  const unexpected = await unexpectedFailures(api, batch, workflow)
  return toReport(name, { plan, after, batch, unexpected, deliveries, seconds })
}

/** Failed items but for those that the made-up rows make fail. */
async function unexpectedFailures(api: Api, batch: Batch, { expects }: Shown): Promise<number> {
  if (batch.counts.failed === 0) return 0
  const expected = (await api.failures(batch.id)).data.filter(({ error }) => error.name === expects)
  return expected.reduce((left, { count }) => left - count, batch.counts.failed)
}

const decisions = ['approved', 'rejected'] as const

/** Somebody decides the first things that wait for a decision, and nobody the others: a day passes for QStash. */
async function letTimePass(
  { api, qstash, say }: DemoOptions,
  passing: { days: number; decisions: number },
): Promise<void> {
  const [approval] = (await api.approvals()).data
  const decision = decisions[passing.decisions]
  if (approval !== undefined && decision !== undefined) {
    say(`  somebody has looked at "${shorten(approval.subject)}": ${decision}`)
    passing.decisions += 1
    await api.decide(approval.id, decision)
    return
  }
  await qstash?.idle({ ignoreDelayed: true })
  qstash?.advance(dayMs)
  passing.days += 1
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
    const steps = await readSteps(api, id, batch.id)
    if (steps !== '') say(`    ${steps}`)
  }
}

const dayMs = 86_400_000

const shorten = (text: string) => (text.length > 150 ? `${text.slice(0, 149)}…` : text)
