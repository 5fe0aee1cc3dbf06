import { z } from '@hono/zod-openapi'
import { itemStatuses, undoings } from '../../../db/schema.ts'
import type { Item } from '../../../engine/ledger/read-items.ts'

export const itemErrorSchema = z.object({ name: z.string(), message: z.string(), step: z.string() })

export const itemSchema = z
  .object({
    id: z.string(),
    status: z.enum(itemStatuses),
    page: z.int(),
    attempt: z.int(),
    claims: z.int(),
    error: itemErrorSchema
      .nullable()
      .openapi({ description: 'The last one, also of an item that is tried again' }),
    fingerprint: z.string().nullable().openapi({ description: 'Group of the error' }),
    handler: z
      .int()
      .nullable()
      .openapi({ description: 'Version of the durable handler that it is handled by' }),
    waitingFor: z.string().nullable().openapi({
      description:
        'Name of the step that it waits in, or, while it is running, of the call that QStash makes',
    }),
    waitingUntil: z.iso.datetime().nullable().openapi({ description: 'When the wait ends at the latest' }),
    undoing: z.enum(undoings).nullable().openapi({
      description: 'What its steps have done is being undone, and then it ends so, or goes on for a retry',
    }),
    inputTokens: z.int(),
    outputTokens: z.int(),
    workMs: z.int().nullable(),
    startedAt: z.iso.datetime().nullable(),
    endedAt: z.iso.datetime().nullable(),
  })
  .openapi('Item')

/** An item as the API shows it. */
export const itemResource = (item: Item): z.output<typeof itemSchema> => ({
  id: item.itemId,
  status: item.status,
  page: item.page,
  attempt: item.attempt,
  claims: item.claims,
  error: item.error,
  fingerprint: item.fingerprint,
  handler: item.handler,
  waitingFor: item.waitingFor,
  waitingUntil: item.waitingUntil?.toISOString() ?? null,
  undoing: item.undoing,
  inputTokens: item.inputTokens,
  outputTokens: item.outputTokens,
  workMs: item.workMs,
  startedAt: item.startedAt?.toISOString() ?? null,
  endedAt: item.endedAt?.toISOString() ?? null,
})
