import { z } from '@hono/zod-openapi'
import { batchStatuses, pausers } from '../../../db/schema.ts'
import { dollars } from '../../../engine/dollars.ts'
import type { BatchWithPlan } from '../../../engine/ledger/read-batches.ts'
import { canarySchema } from '../../../workflows/bounds.ts'
import { orNull } from '../api.ts'
import { budgetShown, tolerateShown } from './bounds.ts'
import { countsOf, countsSchema } from './counts.ts'
import { paramsSchema, planCounts } from './plan.ts'

const instant = z.iso.datetime().nullable()

const spend = z.object({
  inputTokens: z.int(),
  outputTokens: z.int(),
  usd: z.number().nullable().openapi({ description: 'Null: no prices are configured' }),
})

export const batchSchema = z
  .object({
    id: z.uuid(),
    workflow: z.string(),
    status: z.enum(batchStatuses),
    reason: z.string().nullable(),
    pausedBy: z.enum(pausers).nullable().openapi({ description: 'Who or what closed the gate' }),
    startedBy: z.enum(['api', 'cron', 'message']),
    params: paramsSchema,
    force: z.boolean(),
    limit: z.int().nullable(),
    parallelism: z.int(),
    rate: z.int(),
    throttledRate: z.int().nullable().openapi({
      description: 'The rate while the model asks for less; also the last one of a batch that has ended',
    }),
    maxOutstanding: z.int(),
    budget: orNull(budgetShown),
    tolerate: orNull(tolerateShown),
    canary: canarySchema
      .safeExtend({
        plannedItems: z.int().nullable(),
        verdict: z.enum(['pending', 'passed', 'failed', 'overruled']).nullable(),
      })
      .nullable(),
    startPlanId: z.uuid().nullable(),
    sampleId: z.uuid().nullable(),
    plan: planCounts.extend({ id: z.uuid() }).nullable(),
    counts: countsSchema.openapi({
      description: '`recorded` is the sum of the others but `retrying`',
    }),
    spent: spend,
    pages: z.int(),
    exhausted: z.boolean().openapi({ description: 'The population has been read to its end' }),
    createdAt: z.iso.datetime(),
    startedAt: instant,
    endedAt: instant,
  })
  .openapi('Batch')

/** A batch as the API shows it. */
export const batchResource = (batch: BatchWithPlan): z.output<typeof batchSchema> => ({
  id: batch.id,
  workflow: batch.workflow,
  status: batch.status,
  reason: batch.reason,
  pausedBy: batch.pausedBy,
  startedBy: batch.startedBy,
  params: paramsSchema.parse(batch.params),
  force: batch.force,
  limit: batch.limit,
  parallelism: batch.parallelism,
  rate: batch.rate,
  throttledRate: batch.throttledRate,
  maxOutstanding: batch.maxOutstanding,
  budget: batch.budget,
  tolerate: batch.tolerate,
  canary:
    batch.canary === null
      ? null
      : { ...batch.canary, plannedItems: batch.canaryItems, verdict: batch.canaryVerdict },
  startPlanId: batch.startPlanId,
  sampleId: batch.sampleId,
  plan: batch.plan,
  counts: countsOf(batch),
  spent: {
    inputTokens: batch.inputTokens,
    outputTokens: batch.outputTokens,
    usd: dollars(batch, batch),
  },
  pages: batch.pages,
  exhausted: batch.exhausted,
  createdAt: batch.createdAt.toISOString(),
  startedAt: batch.startedAt?.toISOString() ?? null,
  endedAt: batch.endedAt?.toISOString() ?? null,
})
