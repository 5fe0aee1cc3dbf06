import { z } from 'zod'
import type { rounds } from '../support/rounds.ts'

const count = z.number()
const tally = z.object({
  recorded: count,
  queued: count,
  running: count,
  succeeded: count,
  skipped: count,
  failed: count,
  cancelled: count,
  retrying: count,
  inputTokens: count,
  outputTokens: count,
})
const plan = z
  .object({
    id: z.string(),
    toProcess: count,
    drift: z.object({ items: count, percent: count.nullable() }),
  })
  .nullable()

const proofSchema = z.object({
  batchId: z.string(),
  status: z.string(),
  takenAt: z.iso.datetime(),
  balanced: z.boolean(),
  open: count,
  mismatches: z.array(z.string()),
  counters: tally,
  items: tally,
  tries: count,
  workedOnAgain: count,
  duplicatesRefused: count,
  plan,
  startPlan: plan,
  notReached: count.nullable(),
  spend: z.object({
    tokens: count,
    usd: count.nullable(),
    overshoot: z.object({ tokens: count.nullable(), usd: count.nullable() }),
    reservedPerItem: z.object({ tokens: count, usd: count.nullable() }),
    worstOvershoot: z.string().nullable(),
  }),
  healed: z.object({
    total: count,
    byAction: z.record(z.string(), count),
    latest: z.array(z.object({ id: count, action: z.string(), after: z.json() })),
  }),
  retried: z.object({ requests: count, items: count }),
  changes: z.array(z.object({ action: z.string(), actor: z.string(), count })),
})

/** The proof of a batch. */
export const proof = async (app: Pick<ReturnType<typeof rounds>, 'call'>, id: string) =>
  proofSchema.parse((await app.call('GET', `/api/admin/batches/${id}/proof`)).body)

/** Who did what, how often. */
export const deeds = ({ changes }: z.output<typeof proofSchema>) =>
  changes.map(({ action, actor, count: times }) => `${times} ${action} by ${actor}`)
