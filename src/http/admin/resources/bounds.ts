import { z } from '@hono/zod-openapi'
import { budgetSchema, canarySchema, estimateSchema, tolerateSchema } from '../../../workflows/bounds.ts'

/** A schema under a name; a copy, because one that was made before this import has no `openapi`. */
const named = <Schema extends z.ZodType>(schema: Schema, name: string): Schema =>
  z.clone(schema).openapi(name)

/** What bounds a batch, as answers show it. */
export const budgetShown = named(budgetSchema, 'Budget')
export const tolerateShown = named(tolerateSchema, 'Tolerate')
export const canaryShown = named(canarySchema, 'Canary')
export const estimateShown = named(estimateSchema, 'Estimate')
