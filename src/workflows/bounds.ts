import { z } from 'zod'

/** What bounds a batch. A definition gives the defaults, a start or a PATCH its own. */

/** The greatest number that the ledger's integers hold. */
export const maxInt32 = 2 ** 31 - 1

/** What a batch may spend at most on the model. */
export const budgetSchema = z
  .strictObject({
    tokens: z.int().min(1).max(1e12).optional(),
    usd: z.number().positive().max(1e9).optional(),
  })
  .refine(({ tokens, usd }) => tokens !== undefined || usd !== undefined, 'names neither tokens nor usd')
export type Budget = z.output<typeof budgetSchema>

/**
 * The breaker: of the last `window` tries, more than `percent` % of the window or more than `count` failures pause the
 * batch. An item that fails again in the same way counts once.
 */
export const tolerateSchema = z
  .strictObject({
    percent: z.number().min(0).max(100).optional(),
    count: z.int().min(0).max(maxInt32).optional(),
    window: z.int().min(1).max(500).default(100),
  })
  .refine(
    ({ percent, count }) => percent !== undefined || count !== undefined,
    'names neither percent nor count',
  )
export type Tolerate = z.output<typeof tolerateSchema>

/**
 * So many items, or so many percent of the plan, come first; the batch goes on when at least `minSuccessRate` of those
 * that were not skipped succeeded.
 */
export const canarySchema = z
  .strictObject({
    items: z.int().min(1).max(maxInt32).optional(),
    percent: z.number().positive().max(100).optional(),
    minSuccessRate: z.number().min(0).max(1),
  })
  .refine(
    ({ items, percent }) => (items === undefined) !== (percent === undefined),
    'names not exactly one of items and percent',
  )
export type Canary = z.output<typeof canarySchema>

/** What one item is thought to use until there is a record: tokens, and seconds of work. */
export const estimateSchema = z.strictObject({
  inputTokens: z.int().min(0).max(1e9),
  outputTokens: z.int().min(0).max(1e9),
  seconds: z.number().positive(),
})
export type Estimate = z.output<typeof estimateSchema>

/** Deliveries of layer 3 at once, deliveries of it that start a second, and items that are queued or running. */
export const paceSchema = {
  parallelism: z.int().min(1).max(1000),
  rate: z.int().min(1).max(10_000),
  /** Above it, the tick that reconciles could not ask QStash for all runs of a batch. */
  maxOutstanding: z.int().min(1).max(10_000),
}
