import { z } from '@hono/zod-openapi'
import type { BatchNow } from '../../../engine/ledger/progress.ts'
import { progressOf } from '../../../engine/progress.ts'
import { batchResource, batchSchema } from './batch.ts'

const progressSchema = z.object({
  percent: z.number().nullable().openapi({
    description:
      'Ended items of those that are expected: the recorded ones once the population is read, until then those of the plan. Null before there is a plan',
  }),
  itemsPerSecond: z.number().nullable().openapi({
    description:
      'Over the latest items that ended, at most 200, since the batch began or went on. Null unless it runs',
  }),
  workMs: z
    .object({ p50: z.int(), p95: z.int() })
    .nullable()
    .openapi({ description: 'Milliseconds of work of one of these items' }),
  etaSeconds: z.object({ seconds: z.int(), low: z.int(), high: z.int().nullable() }).nullable().openapi({
    description:
      'Until the end: with 95 % confidence between `low` and `high`, which is null while nobody can say; it does not know how long items wait to be tried again. Null unless the batch runs and an item has ended',
  }),
})

export const batchWithProgressSchema = batchSchema
  .extend({ progress: progressSchema })
  .openapi('BatchWithProgress')

/** A batch as the API shows it by itself. */
export const batchWithProgress = ({
  batch,
  recent,
}: Omit<BatchNow, 'changes'>): z.output<typeof batchWithProgressSchema> => ({
  ...batchResource(batch),
  progress: progressOf(batch, recent),
})
