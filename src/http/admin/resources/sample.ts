import { z } from '@hono/zod-openapi'
import { sampleItemStatuses } from '../../../db/schema.ts'
import { dollars, type Prices } from '../../../engine/dollars.ts'
import type { findSample, SampleItem } from '../../../engine/ledger/samples.ts'
import { anyJson } from '../api.ts'
import { itemErrorSchema } from './item.ts'
import { paramsSchema } from './plan.ts'

const usage = {
  inputTokens: z.int(),
  outputTokens: z.int(),
  workMs: z.int().openapi({ description: 'Milliseconds of work' }),
}

const sampleItemSchema = z
  .object({
    id: z.string(),
    status: z.enum(sampleItemStatuses).openapi({
      description:
        'pending: not done yet; when its request was interrupted, repeating it with its key does it',
    }),
    input: z
      .array(z.object({ instructions: z.string(), prompt: z.string() }))
      .openapi({ description: 'What the model was asked, in order' }),
    // Null unless it succeeded. A description would be that of every JSON value: they share the schema.
    output: anyJson,
    error: itemErrorSchema.nullable(),
    model: z.string().nullable(),
    ...usage,
  })
  .openapi('SampleItem')

export const sampleSchema = z
  .object({
    id: z.uuid(),
    workflow: z.string(),
    params: paramsSchema,
    force: z.boolean(),
    items: z.array(sampleItemSchema),
    totals: z.object({
      items: z.int(),
      pending: z.int(),
      succeeded: z.int(),
      skipped: z.int(),
      failed: z.int(),
      ...usage,
      usd: z.number().nullable().openapi({ description: 'At the configured prices; null: there are none' }),
    }),
    createdAt: z.iso.datetime(),
  })
  .openapi('Sample')

/** A sample as the API shows it. */
export const sampleResource = (
  sample: NonNullable<Awaited<ReturnType<typeof findSample>>>,
  prices: Prices,
): z.output<typeof sampleSchema> => ({
  id: sample.id,
  workflow: sample.workflow,
  params: paramsSchema.parse(sample.params),
  force: sample.force,
  items: sample.items.map(itemResource),
  totals: totalsOf(sample.items, prices),
  createdAt: sample.createdAt.toISOString(),
})

const itemResource = (item: SampleItem): z.output<typeof sampleItemSchema> => ({
  id: item.itemId,
  status: item.status,
  input: item.input,
  output: item.output,
  error: item.error,
  model: item.model,
  inputTokens: item.inputTokens,
  outputTokens: item.outputTokens,
  workMs: item.workMs,
})

function totalsOf(items: readonly SampleItem[], prices: Prices) {
  const count = (wanted: SampleItem['status']) => items.filter(({ status }) => status === wanted).length
  const sum = (field: 'inputTokens' | 'outputTokens' | 'workMs') =>
    items.reduce((total, item) => total + item[field], 0)
  const tokens = { inputTokens: sum('inputTokens'), outputTokens: sum('outputTokens') }
  return {
    items: items.length,
    pending: count('pending'),
    succeeded: count('succeeded'),
    skipped: count('skipped'),
    failed: count('failed'),
    ...tokens,
    workMs: sum('workMs'),
    usd: dollars(tokens, prices),
  }
}
