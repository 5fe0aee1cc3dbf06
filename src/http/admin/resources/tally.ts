import { z } from '@hono/zod-openapi'
import type { Evidence } from '../../../engine/ledger/proof.ts'
import { countsOf, countsSchema } from './counts.ts'

const names = [
  'recorded',
  'queued',
  'running',
  'waiting',
  'succeeded',
  'skipped',
  'failed',
  'cancelled',
  'retrying',
  'inputTokens',
  'outputTokens',
] as const

export const tallySchema = countsSchema
  .extend({ inputTokens: z.int(), outputTokens: z.int() })
  .openapi('Tally')
type Tally = z.output<typeof tallySchema>

type Tallies = {
  counters: Tally
  items: Tally
  /** Names of what the two disagree about. */
  mismatches: string[]
  /** Items that a try took on after their result was stored. */
  workedOnAgain: number
}

/**
 * A batch's counters beside what its item rows add up to. A try claims its item, which takes it out of `succeeded`, and
 * a save counts: whoever was worked on again is either not succeeded in spite of a result, or was counted twice.
 */
export function tally({ batch, items: rows, undone }: Evidence): Tallies {
  const { inputTokens, outputTokens } = batch
  const counters = { ...countsOf(batch), inputTokens, outputTokens }
  const items = added(rows)
  return {
    counters,
    items,
    mismatches: names.filter((name) => counters[name] !== items[name]),
    workedOnAgain: undone + Math.max(0, counters.succeeded - items.succeeded),
  }
}

function added(rows: Evidence['items']): Tally {
  const total = (of: 'n' | 'retrying' | 'inputTokens' | 'outputTokens', ...statuses: string[]) =>
    rows
      .filter(({ status }) => statuses.length === 0 || statuses.includes(status))
      .reduce((sum, row) => sum + row[of], 0)
  return {
    recorded: total('n'),
    queued: total('n', 'queued'),
    running: total('n', 'running'),
    waiting: total('n', 'waiting'),
    succeeded: total('n', 'succeeded'),
    skipped: total('n', 'skipped'),
    failed: total('n', 'failed'),
    cancelled: total('n', 'cancelled'),
    retrying: total('retrying'),
    inputTokens: total('inputTokens'),
    outputTokens: total('outputTokens'),
  }
}
