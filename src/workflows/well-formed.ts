import { z } from 'zod'
import { budgetSchema, canarySchema, estimateSchema, paceSchema, tolerateSchema } from './bounds.ts'
import { durationMs } from './duration.ts'
import { stepName } from './step-name.ts'
import type { Duration } from './item-tools.ts'

const size = z.int().min(1).max(100)
const durationFrom = (leastMs: number) =>
  z.custom<Duration>((text) => typeof text === 'string' && durationMs(text) >= leastMs, 'is no duration')
const cronField = /^[\dA-Z*,/?#-]+$/

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
  schedule: z
    .string()
    .refine(
      (cron) => cron.split(' ').length === 5 && cron.split(' ').every((field) => cronField.test(field)),
      'is no cron expression of five fields',
    )
    .nullable(),
  timeout: durationFrom(1),
  freshFor: durationFrom(0).nullable(),
  uses: z.array(z.enum(['mail', 'payments'])),
  events: z.record(stepName, z.instanceof(z.ZodType)).nullable(),
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
