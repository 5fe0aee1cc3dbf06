import type { z } from 'zod'
import type { Json, Workflow } from '../../workflows/contract.ts'
import type { Services } from '../services.ts'

/** The delivery that a layer runs in. */
export type Delivery = {
  workflowRunId: string
  /** How often this delivery was retried. */
  retried: number
}

/** Why a run has failed for good. */
export type Failure = {
  reason: string
}

/** One of the three layers, for every workflow. */
export type Layer<Payload extends { batchId?: string | undefined }> = {
  payload(workflow: Workflow): z.ZodType<Payload>
  /** The layer's one step. Runs again when its delivery is repeated; what it returns is the run's result. */
  run(
    services: Services,
    workflow: Workflow,
    payload: Payload,
    delivery: Delivery,
  ): Promise<Record<string, Json>>
  /**
   * A run for one of the workflow's batches has failed for good: leaves the ledger such that nothing waits for it.
   *
   * @throws Error to be told again later.
   */
  failed(
    services: Services,
    workflow: Workflow,
    payload: Payload & { batchId: string },
    failure: Failure,
  ): Promise<void>
}
