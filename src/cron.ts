import { reconcile, reconcileCron } from './engine/reconcile.ts'
import type { Services } from './engine/services.ts'
import { startScheduled } from './engine/start.ts'
import { describeError } from './errors.ts'
import type { Workflow } from './workflows/contract.ts'

type Tick = { cron: string; scheduledTime: number }

/**
 * Starts a batch of every workflow whose schedule fired, and reconciles when it is time for that.
 *
 * @throws AggregateError of what could not be started or reconciled; all else is done all the same.
 */
export async function runTick(services: Services, workflows: readonly Workflow[], tick: Tick): Promise<void> {
  const done = await Promise.allSettled([
    startDue(services, workflows, tick),
    ...(tick.cron === reconcileCron ? [reconcile(services, workflows)] : []),
  ])
  const errors = done.flatMap((result): unknown[] => (result.status === 'rejected' ? [result.reason] : []))
  if (errors.length === 0) return
  throw new AggregateError(errors, errors.map((error) => describeError(error).message).join('; '))
}

async function startDue(services: Services, workflows: readonly Workflow[], tick: Tick): Promise<void> {
  const due = workflows.filter(({ schedule }) => schedule === tick.cron)
  const starts = await Promise.allSettled(
    due.map((workflow) => startScheduled(services, workflow, tick.scheduledTime)),
  )
  const errors: unknown[] = []
  for (const [index, start] of starts.entries()) {
    const prefix = `[${due[index]?.name}:cron]`
    if (start.status === 'fulfilled') {
      const { outcome, batch } = start.value ?? {
        outcome: 'skipped: the kill switch is on, or something is not configured',
      }
      console.log(`${prefix} ${outcome} ${JSON.stringify({ batchId: batch?.id })}`)
    } else {
      errors.push(start.reason)
      console.error(`${prefix} not started ${JSON.stringify(describeError(start.reason))}`)
    }
  }
  if (errors.length > 0) throw new AggregateError(errors, `${errors.length} workflow(s) did not start`)
}
