import type { CallSettings } from '@upstash/workflow'
import type { CallRequest, Json, StepOptions } from '../../workflows/contract.ts'
import { secondsOf } from '../../workflows/duration.ts'
import { flowControl } from '../trigger.ts'
import type { ItemRun } from './item-run.ts'

/** Seconds beyond its tries after which a call that nobody has answered is taken for lost. */
const spareSeconds = 900

function triesOf({ workflow }: ItemRun, options: StepOptions): { retries: number; seconds: number } {
  const retries = options.retries ?? workflow.layers.execute.retries
  return { retries, seconds: secondsOf(options.timeout ?? workflow.timeout) }
}

/** After how many seconds a call has been answered or is lost. */
export function callSeconds(run: ItemRun, options: StepOptions): number {
  const { retries, seconds } = triesOf(run, options)
  return seconds * (retries + 1) + spareSeconds
}

/** How QStash is to make a call. */
export function callSettings(
  run: ItemRun,
  { url, method, headers, body }: CallRequest<Json>,
  options: StepOptions,
): CallSettings {
  const { services, workflow } = run
  const { retries, seconds } = triesOf(run, options)
  const { key, ...pace } = flowControl(services, workflow, 'execute')
  return {
    url,
    method,
    headers,
    body,
    retries,
    retryDelay:
      options.backoff === undefined
        ? workflow.layers.execute.retryDelay
        : `${secondsOf(options.backoff) * 1000} * pow(2, retried)`,
    timeout: seconds,
    // Of its own: a call takes no delivery of the layer.
    flowControl: { key: `${key}.call`, ...pace },
  }
}
