import type { Batch, Plan } from './api.ts'

/** What the demo found out about one workflow. */
export type WorkflowReport = {
  name: string
  plan: Plan
  after: Pick<Plan, 'toProcess'>
  batch: { id: string; status: string; succeeded: number; skipped: number; failed: number; cancelled: number }
  /** Items that failed though no made-up row makes them. */
  unexpected: number
  /** Null: the QStash is not the local one. */
  deliveries: number | null
  deliveriesPerItem: number | null
  seconds: number
}

export function toReport(
  name: string,
  found: {
    plan: Plan
    after: Plan
    batch: Batch
    unexpected: number
    deliveries: number | null
    seconds: number
  },
): WorkflowReport {
  const { plan, after, batch, unexpected, deliveries, seconds } = found
  const { recorded, succeeded, skipped, failed, cancelled } = batch.counts
  return {
    name,
    plan: {
      totalEligible: plan.totalEligible,
      toProcess: plan.toProcess,
      alreadyProcessed: plan.alreadyProcessed,
    },
    after: { toProcess: after.toProcess },
    batch: { id: batch.id, status: batch.status, succeeded, skipped, failed, cancelled },
    unexpected,
    deliveries,
    deliveriesPerItem: deliveries === null || recorded === 0 ? null : round(deliveries / recorded),
    seconds: round(seconds),
  }
}

/** Why a workflow's report is not a success; empty when it is one. */
export function problemsOf({ name, batch, after, unexpected }: WorkflowReport): string[] {
  return [
    ...(batch.status === 'completed' ? [] : [`${name}: batch ${batch.id} is ${batch.status}`]),
    ...(unexpected === 0 ? [] : [`${name}: ${unexpected} item(s) failed`]),
    ...(after.toProcess === 0 ? [] : [`${name}: ${after.toProcess} item(s) are left to do`]),
  ]
}

/** The reports as the rows of `console.table`. */
export const toTable = (reports: readonly WorkflowReport[]) =>
  Object.fromEntries(
    reports.map(({ name, plan, after, batch, deliveries, deliveriesPerItem, seconds }) => [
      name,
      {
        eligible: plan.totalEligible,
        'to do': plan.toProcess,
        succeeded: batch.succeeded,
        skipped: batch.skipped,
        failed: batch.failed,
        left: after.toProcess,
        deliveries,
        'per item': deliveriesPerItem,
        seconds,
      },
    ]),
  )

const round = (value: number) => Math.round(value * 100) / 100
