import type { Assumptions } from '../db/schema.ts'
import type { Params, Workflow } from '../workflows/contract.ts'
import { itemHistory } from './ledger/item-history.ts'
import type { Bounds } from './ledger/open-batch.ts'
import { makePlan, type Plan } from './ledger/plan.ts'
import type { Services } from './services.ts'

/** Deliveries for a dollar, pay as you go: https://upstash.com/pricing/qstash, November 2026. */
const messagesPerUsd = 100_000

/** A run of one step is delivered twice: once to do the step, once to end. */
const messagesPerRun = 2

/** What is to be planned: a selection of the population, under bounds. */
export type Wish = {
  workflow: Workflow
  params: Params
  scope: string
  force: boolean
  limit: number | null
} & Pick<Bounds, 'parallelism' | 'rate' | 'inputUsdPerMillion' | 'outputUsdPerMillion'>

/** Counts what a batch would do and stores it with what it is thought to cost; the same key gives the stored plan. */
export async function planBatch({ db }: Services, key: string, wish: Wish): Promise<Plan> {
  return await makePlan(db, key, wish, await assume(db, wish))
}

/** What items of recent batches used; else what the definition says. */
async function assume(db: Services['db'], wish: Wish): Promise<Assumptions> {
  const { workflow, parallelism, rate, inputUsdPerMillion, outputUsdPerMillion } = wish
  const { estimate, pageSize, chunkSize } = workflow
  const recent = await itemHistory(db, workflow.name)
  const { source, ...item } =
    recent !== null
      ? { source: 'recent_batches' as const, ...recent }
      : estimate !== null
        ? { source: 'definition' as const, ...estimate }
        : { source: 'unknown' as const, inputTokens: null, outputTokens: null, seconds: null }
  return {
    source,
    ...item,
    inputUsdPerMillion,
    outputUsdPerMillion,
    messagesPerUsd,
    messagesPerRun,
    retries: 0,
    parallelism,
    rate,
    pageSize,
    chunkSize,
  }
}
