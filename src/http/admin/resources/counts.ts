import { z } from '@hono/zod-openapi'

/** Items of a batch by what has become of them. `recorded` is the sum of the others but `retrying`. */
export const countsSchema = z.object({
  recorded: z.int(),
  queued: z.int(),
  running: z.int(),
  waiting: z.int().openapi({ description: 'Started, and waiting for a time or an event' }),
  succeeded: z.int(),
  skipped: z.int(),
  failed: z.int(),
  cancelled: z.int(),
  retrying: z.int().openapi({ description: 'Failed items that wait to be tried again' }),
})

type Counts = z.output<typeof countsSchema>

export function countsOf(batch: Omit<Counts, 'queued'>): Counts {
  const { recorded, running, waiting, succeeded, skipped, failed, cancelled, retrying } = batch
  const queued = recorded - running - waiting - succeeded - skipped - failed - cancelled
  return { recorded, queued, running, waiting, succeeded, skipped, failed, cancelled, retrying }
}
