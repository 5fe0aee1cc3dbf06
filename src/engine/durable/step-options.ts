import { PermanentError } from '../../errors.ts'
import type { StepOptions, Workflow } from '../../workflows/contract.ts'
import { secondsOf } from '../../workflows/duration.ts'

/** @throws PermanentError when a step cannot be tried as its options say. */
export function checkOptions({ layers, timeout }: Workflow, step: string, options: StepOptions = {}): void {
  const most = layers.execute.retries
  if (options.retries !== undefined && !(options.retries >= 0)) {
    throw new PermanentError(`the step ${step} asks for ${options.retries} retries`)
  }
  if ((options.retries ?? 0) > most) {
    throw new PermanentError(`the step ${step} asks for more retries than the ${most} of layers.execute`)
  }
  if (secondsOf(options.timeout ?? timeout) === 0) throw new PermanentError(`the step ${step} has no time`)
  secondsOf(options.backoff ?? '0 seconds')
}
