import { z } from 'zod'
import type { Workflow } from '../../workflows/contract.ts'
import { itemIdField } from '../names.ts'

export type ItemPayload = { batchId: string; itemId: string; attempt: number }

/** What a run of layer 3 is triggered with. */
export function executePayload(workflow: Workflow): z.ZodType<ItemPayload> {
  const field = itemIdField(workflow)
  return z
    .strictObject({ batchId: z.uuid(), attempt: z.int().min(1), [field]: z.string() })
    .transform(({ batchId, attempt, [field]: itemId }) => ({
      batchId: String(batchId),
      attempt: Number(attempt),
      itemId: String(itemId),
    }))
}
