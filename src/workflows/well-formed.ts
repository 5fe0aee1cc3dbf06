import ms from 'ms'
import { z } from 'zod'
import { budgetSchema, canarySchema, estimateSchema, paceSchema, tolerateSchema } from './bounds.ts'
import type { Duration } from './item-tools.ts'

const size = z.int().min(1).max(100)
const duration = z.custom<Duration>(
  (text) => typeof text === 'string' && parseDuration(text) > 0,
  'is no duration',
)

/** Milliseconds; NaN when it is none. */
function parseDuration(text: string): number {
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it answers undefined or throws for what is none
    return ms(text as Duration) ?? Number.NaN
  } catch {
    return Number.NaN
  }
}
/** What a definition must be beyond its types. */
export const wellFormed = z.object({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, 'is not kebab-case')
    .refine((name) => name !== 'all', 'stands for every workflow'),
  entity: z.object({ one: z.string().regex(/^[a-z]+$/i), many: z.string().regex(/^[a-z]+$/i) }),
  verb: z.string().regex(/^[a-z]+$/),
  pageSize: size,
  chunkSize: size,
  maxOutstanding: paceSchema.maxOutstanding,
  timeout: duration,
  freshFor: duration.nullable(),
  uses: z.array(z.enum(['mail', 'payments'])),
  completion: z.enum(['ended', 'started']),
  overlap: z.enum(['skip', 'queue']),
  estimate: estimateSchema.nullable(),
  budget: budgetSchema.nullable(),
  tolerate: tolerateSchema.nullable(),
  canary: canarySchema.nullable(),
  run: z
    .record(z.string().regex(/^[1-9]\d{0,5}$/, 'is no version: 1, 2 …'), z.function())
    .refine((handlers) => Object.keys(handlers).length > 0, 'has no handler')
    .nullable(),
})
