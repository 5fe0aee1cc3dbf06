import { z } from '@hono/zod-openapi'
import { estimate } from '../../../engine/estimate.ts'
import type { StoredPlan } from '../../../engine/ledger/read-plans.ts'
import { anyJson } from '../api.ts'

export const paramsSchema = z.record(z.string(), anyJson)

const usd = z.number().openapi({ description: 'US dollars' })

const assumptions = z
  .object({
    source: z.enum(['recent_batches', 'definition', 'unknown']).openapi({
      description:
        "Where an item's tokens and seconds come from: the five latest batches, else the definition",
    }),
    inputTokens: z.number().nullable(),
    outputTokens: z.number().nullable(),
    seconds: z.number().nullable(),
    inputUsdPerMillion: usd.nullable(),
    outputUsdPerMillion: usd.nullable(),
    messagesPerUsd: z.int(),
    messagesPerRun: z.int(),
    retries: z.int(),
    parallelism: z.int(),
    rate: z.int(),
    pageSize: z.int(),
    chunkSize: z.int(),
  })
  .openapi({ description: 'What the estimates are made of; tokens and seconds are those of one item' })

const estimates = z.object({
  messages: z.object({ count: z.int(), usd }).openapi({ description: 'Deliveries, which QStash bills' }),
  model: z.object({ inputTokens: z.int(), outputTokens: z.int(), usd: usd.nullable() }).nullable(),
  durationSeconds: z.int(),
})

export const planCounts = z.object({
  totalEligible: z.int(),
  alreadyProcessed: z.int(),
  held: z.int().openapi({
    description:
      'Needs work, but an earlier batch holds it unfinished, or it has sent or charged something there and did not succeed: retry it there',
  }),
  toProcess: z.int(),
})

export const planSchema = planCounts
  .extend({
    id: z.uuid(),
    workflow: z.string(),
    params: paramsSchema,
    force: z.boolean(),
    limit: z.int().nullable(),
    sample: z.array(z.string()).openapi({ description: 'Ids of the first items' }),
    hash: z.string().openapi({ description: 'The same for the same options over the same items' }),
    estimates,
    assumptions,
    createdAt: z.iso.datetime(),
  })
  .openapi('Plan')

/** A plan as the API shows it. */
export const planResource = (plan: StoredPlan): z.output<typeof planSchema> => ({
  id: plan.id,
  workflow: plan.workflow,
  params: paramsSchema.parse(plan.params),
  force: plan.force,
  limit: plan.limit,
  totalEligible: plan.totalEligible,
  alreadyProcessed: plan.alreadyProcessed,
  held: plan.held,
  toProcess: plan.toProcess,
  sample: plan.sample,
  hash: plan.hash,
  estimates: estimate(plan.toProcess, plan.assumptions),
  assumptions: plan.assumptions,
  createdAt: plan.createdAt.toISOString(),
})
