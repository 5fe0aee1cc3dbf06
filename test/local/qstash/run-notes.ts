import type { Run, StepInfo } from './run.ts'
import { stepSummary } from './step-log.ts'

/** What the logs tell about a step besides its result: whom it called, invoked or waited for. */
export function noteStep(run: Run, step: StepInfo, fields: Record<string, unknown>): void {
  run.notes ??= new Map()
  run.notes.set(step.stepId, {
    step: stepSummary(step),
    fields: { ...run.notes.get(step.stepId)?.fields, ...fields },
  })
}
