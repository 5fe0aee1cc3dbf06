import { z } from '@hono/zod-openapi'
import { stepKinds, stepStatuses } from '../../../db/schema.ts'
import type { ItemWithSteps } from '../../../engine/ledger/read-items.ts'
import { anyJson } from '../api.ts'
import { itemErrorSchema, itemResource, itemSchema } from './item.ts'

const instant = z.iso.datetime().nullable()

const stepSchema = z
  .object({
    name: z.string(),
    kind: z.enum(stepKinds),
    status: z.enum([...stepStatuses, 'left']).openapi({
      description: '`given`: an event that nothing waits for yet; `left`: the item ended without its end',
    }),
    round: z.int().openapi({ description: 'How often it was begun anew after it had failed or was undone' }),
    tries: z.int().openapi({ description: 'In this round' }),
    until: instant.openapi({ description: 'When a wait ends at the latest' }),
    result: anyJson,
    error: itemErrorSchema.nullable(),
    uncertain: z.boolean().openapi({ description: 'It may have done something though it did not say so' }),
    workMs: z.int(),
    startedAt: z.iso.datetime(),
    endedAt: instant,
    undoTries: z.int(),
    undoError: itemErrorSchema.nullable(),
    undoneAt: instant,
  })
  .openapi('Step')

export const itemWithStepsSchema = itemSchema
  .extend({ steps: z.array(stepSchema).openapi({ description: 'In the order in which they were begun' }) })
  .openapi('ItemWithSteps')

const isOpen = new Set<string>(['running', 'waiting'])

/** An item as the API shows it by itself. */
export const itemWithSteps = ({ item, steps }: ItemWithSteps): z.output<typeof itemWithStepsSchema> => ({
  ...itemResource(item),
  steps: steps.map((step) => ({
    name: step.name,
    kind: step.kind,
    status: item.endedAt !== null && isOpen.has(step.status) ? 'left' : step.status,
    round: step.round,
    tries: step.tries,
    until: step.until?.toISOString() ?? null,
    result: step.result,
    error: step.error,
    uncertain: step.uncertain,
    workMs: step.workMs,
    startedAt: step.startedAt.toISOString(),
    endedAt: step.endedAt?.toISOString() ?? null,
    undoTries: step.undoTries,
    undoError: step.undoError,
    undoneAt: step.undoneAt?.toISOString() ?? null,
  })),
})
