import type { Services } from './engine/services.ts'
import { startScheduled } from './engine/start.ts'
import { describeError } from './errors.ts'
import type { Workflow } from './workflows/contract.ts'

/**
 * Starts a batch of every workflow whose schedule fired.
 *
 * @throws AggregateError when one could not be started; the others are started all the same.
 */
export async function runTick(
  services: Services,
  workflows: readonly Workflow[],
  tick: { cron: string; scheduledTime: number },
): Promise<void> {
  const due = workflows.filter(({ schedule }) => schedule === tick.cron)
  const starts = await Promise.allSettled(
    due.map((workflow) => startScheduled(services, workflow, tick.scheduledTime)),
  )
  const errors: unknown[] = []
  for (const [index, start] of starts.entries()) {
    const prefix = `[${due[index]?.name}:cron]`
    if (start.status === 'fulfilled') {
      const { outcome, batch } = start.value ?? { outcome: 'skipped: the kill switch is on' }
      console.log(`${prefix} ${outcome} ${JSON.stringify({ batchId: batch?.id })}`)
    } else {
      errors.push(start.reason)
      console.error(`${prefix} not started ${JSON.stringify(describeError(start.reason))}`)
    }
  }
  if (errors.length > 0) throw new AggregateError(errors, `${errors.length} workflow(s) did not start`)
}
