import { z } from '@hono/zod-openapi'
import { limitSchema } from '../../engine/start.ts'
import { budgetSchema, canarySchema, paceSchema, tolerateSchema } from '../../workflows/bounds.ts'
import { anyJson, confirm, reason } from './api.ts'

/** What a start takes. Unknown fields are refused, so that a misspelt `limit` starts nothing. */
export const startBody = z
  .strictObject({
    dryRun: z.boolean().default(false).openapi({ description: 'Only plans: nothing is started' }),
    force: z.boolean().default(false).openapi({ description: 'Also items whose result is fresh' }),
    limit: limitSchema.nullable().default(null).openapi({ description: 'Most items of the batch' }),
    params: z.record(z.string(), anyJson).default({}).openapi({ description: "The workflow's own" }),
    parallelism: paceSchema.parallelism
      .optional()
      .openapi({ description: 'Deliveries of items at once; not multiplied by FLOW_CONTROL_FACTOR' }),
    rate: paceSchema.rate
      .optional()
      .openapi({ description: 'Deliveries of items that start a second; an item takes two' }),
    maxOutstanding: paceSchema.maxOutstanding
      .optional()
      .openapi({ description: 'Most items queued or running' }),
    budget: budgetSchema.nullable().optional().openapi({ description: 'At the cap the batch pauses' }),
    tolerate: tolerateSchema.nullable().optional().openapi({
      description: 'Pauses when of the last `window` tries more than `percent` % of it, or `count`, failed',
    }),
    canary: canarySchema.nullable().optional().openapi({
      description: 'So many items first; the batch goes on when enough of them succeeded, else it pauses',
    }),
    planId: z.uuid().optional().openapi({
      description:
        'Starts what this plan counted, with its params, force and limit; they may not be given as well',
    }),
    maxDriftPercent: z.number().min(0).optional().openapi({
      description:
        'Refuses to start when the number of items that need work, also above the limit, differs by more from the plan; 0, the default, wants the very same ids',
    }),
    sampleId: z
      .uuid()
      .optional()
      .openapi({ description: 'Publishes the results of this sample instead of paying for them again' }),
    confirm,
    reason,
  })
  .refine(({ planId, maxDriftPercent }) => maxDriftPercent === undefined || planId !== undefined, {
    path: ['maxDriftPercent'],
    message: 'needs a planId',
  })
  .openapi('Start')

export type StartBody = z.output<typeof startBody>

/** What may be changed while a batch runs. */
export const limitsBody = z
  .strictObject({
    parallelism: paceSchema.parallelism.optional(),
    rate: paceSchema.rate.optional(),
    maxOutstanding: paceSchema.maxOutstanding.optional(),
    budget: budgetSchema.nullable().optional().openapi({ description: 'null takes it away' }),
    tolerate: tolerateSchema.nullable().optional().openapi({ description: 'null takes it away' }),
    reason,
  })
  .refine(
    (limits) => Object.entries(limits).some(([name, limit]) => name !== 'reason' && limit !== undefined),
    'names nothing to change',
  )
  .openapi('Limits')
