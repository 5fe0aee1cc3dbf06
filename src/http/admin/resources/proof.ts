import { z } from '@hono/zod-openapi'
import { batchStatuses } from '../../../db/schema.ts'
import { dollars } from '../../../engine/dollars.ts'
import type { Evidence } from '../../../engine/ledger/proof.ts'
import { hasEnded } from '../../../engine/progress.ts'
import { orNull } from '../api.ts'
import { changeResource, changeSchema } from '../changes.ts'
import { budgetShown } from './bounds.ts'
import { tally, tallySchema } from './tally.ts'

const planned = z
  .object({
    id: z.uuid(),
    toProcess: z.int(),
    drift: z
      .object({ items: z.int(), percent: z.number().nullable() })
      .openapi({ description: 'Recorded items above what the plan counted; below it when negative' }),
  })
  .nullable()

const amounts = z.object({ tokens: z.int(), usd: z.number().nullable() })

export const proofSchema = z
  .object({
    batchId: z.uuid(),
    workflow: z.string(),
    status: z.enum(batchStatuses),
    takenAt: z.iso.datetime(),
    balanced: z.boolean().openapi({
      description:
        'The batch has ended, recorded = succeeded + skipped + failed + cancelled, and its item rows say the same',
    }),
    open: z.int().openapi({ description: 'Recorded items that have not ended' }),
    mismatches: z.array(z.string()).openapi({ description: 'What counters and item rows disagree about' }),
    counters: tallySchema.openapi({ description: "The batch's own counters" }),
    items: tallySchema.openapi({ description: 'The same, added up from the item rows' }),
    tries: z.int().openapi({ description: 'How often an item was claimed to be worked on' }),
    workedOnAgain: z.int().openapi({
      description:
        'Items that were worked on after this batch had stored their result: they did not stay succeeded, or succeeded twice. Must be 0',
    }),
    duplicatesRefused: z.int().openapi({
      description: 'Deliveries that found their item ended, taken or superseded',
    }),
    plan: planned.openapi({ description: 'What the batch planned as it began' }),
    startPlan: planned.openapi({ description: 'The plan that the start named' }),
    notReached: z.int().nullable().openapi({
      description: 'Items that the plan counted and the batch has not recorded; null: there is no plan',
    }),
    spend: amounts.extend({
      budget: orNull(budgetShown),
      overshoot: z
        .object({ tokens: z.int().nullable(), usd: z.number().nullable() })
        .openapi({ description: 'What is above the cap; null: there is no such cap' }),
      reservedPerItem: amounts.openapi({
        description: 'The most that one try has used so far, or the estimate of the definition',
      }),
      worstOvershoot: z.string().nullable(),
    }),
    healed: z.object({
      total: z.int(),
      byAction: z.record(z.string(), z.int()),
      latest: z.array(changeSchema).openapi({ description: 'At most 200, newest first' }),
    }),
    retried: z.object({ requests: z.int(), items: z.int() }),
    changes: z
      .array(
        z.object({
          action: z.string(),
          actor: z.string(),
          count: z.int(),
          firstAt: z.iso.datetime(),
          lastAt: z.iso.datetime(),
        }),
      )
      .openapi({ description: 'Who did what, how often and when; the log has the details' }),
  })
  .openapi('Proof')

export type Proof = z.output<typeof proofSchema>

/** Judges what the ledger shows. */
export function proofResource(evidence: Evidence): Proof {
  const { batch, acts } = evidence
  const { counters, items, mismatches, workedOnAgain } = tally(evidence)
  const open = counters.queued + counters.running + counters.waiting
  const heals = acts.filter(({ action }) => action.startsWith('heal.'))
  const retries = acts.filter(({ action }) => action === 'batch.retry')
  return {
    batchId: batch.id,
    workflow: batch.workflow,
    status: batch.status,
    takenAt: evidence.takenAt.toISOString(),
    balanced: hasEnded(batch) && open === 0 && mismatches.length === 0,
    open,
    mismatches,
    counters,
    items,
    tries: sum(evidence.items.map(({ claims }) => claims)),
    workedOnAgain,
    duplicatesRefused: batch.duplicates,
    plan: driftFrom(evidence.plan, batch.recorded),
    startPlan: driftFrom(evidence.startPlan, batch.recorded),
    notReached: evidence.plan === null ? null : Math.max(0, evidence.plan.toProcess - batch.recorded),
    spend: spendOf(batch),
    healed: {
      total: sum(heals.map(({ count }) => count)),
      byAction: sumBy(heals),
      latest: evidence.healed.map(changeResource),
    },
    retried: {
      requests: sum(retries.map(({ count }) => count)),
      items: sum(retries.map((act) => act.items)),
    },
    changes: acts.map(({ action, actor, count, firstAt, lastAt }) => ({
      action,
      actor,
      count,
      firstAt: firstAt.toISOString(),
      lastAt: lastAt.toISOString(),
    })),
  }
}

function driftFrom(plan: Evidence['plan'], recorded: number): Proof['plan'] {
  if (plan === null) return null
  const items = recorded - plan.toProcess
  const percent = plan.toProcess === 0 ? (items === 0 ? 0 : null) : (items / plan.toProcess) * 100
  return { ...plan, drift: { items, percent } }
}

function spendOf(batch: Evidence['batch']): Proof['spend'] {
  const { budget, itemTokens } = batch
  const tokens = batch.inputTokens + batch.outputTokens
  const usd = dollars(batch, batch)
  return {
    tokens,
    usd,
    budget,
    overshoot: { tokens: above(tokens, budget?.tokens), usd: above(usd, budget?.usd) },
    reservedPerItem: { tokens: itemTokens, usd: usd === null ? null : batch.itemUsd },
    worstOvershoot: budget === null ? null : worstOvershoot,
  }
}

const above = (spent: number | null, cap: number | undefined) =>
  spent === null || cap === undefined ? null : Math.max(0, spent - cap)

const worstOvershoot =
  'At most what the items at work when the cap was reached used beyond what was reserved for them: for each, the most that one try had used until then.'

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)

const sumBy = (acts: Evidence['acts']): Record<string, number> =>
  Object.fromEntries(
    Object.entries(Object.groupBy(acts, ({ action }) => action)).map(([action, same = []]) => [
      action,
      sum(same.map(({ count }) => count)),
    ]),
  )
