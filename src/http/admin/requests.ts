import { z } from 'zod'
import { batchStatuses, itemStatuses } from '../../db/schema.ts'
import { limitSchema } from '../../engine/start.ts'

/** What the admin API takes. Unknown fields are refused, so that a misspelt `limit` starts nothing. */

export const batchId = z.uuid('is not a batch id')

const limit = z.coerce.number().int().min(1).max(200).default(50)

export const batchQuery = z.strictObject({
  workflow: z.string().optional(),
  status: z.enum(batchStatuses).optional(),
  cursor: z.uuid().optional(),
  limit,
})

export const planQuery = z.strictObject({
  workflow: z.string().optional(),
  cursor: z.uuid().optional(),
  limit,
})

export const itemQuery = z.strictObject({
  status: z.enum(itemStatuses).optional(),
  cursor: z.string().optional(),
  limit,
})

export const startBody = z.strictObject({
  dryRun: z.boolean().default(false),
  force: z.boolean().default(false),
  limit: limitSchema.nullable().default(null),
  params: z.record(z.string(), z.unknown()).default({}),
})

export const idempotencyKey = z.string().min(1).max(200)
