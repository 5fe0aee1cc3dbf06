import { invalid } from '../errors.ts'
import type { Budget, Canary, Workflow } from '../workflows/contract.ts'
import { dollars, type Prices } from './dollars.ts'
import type { Limits } from './ledger/change-limits.ts'
import type { Bounds } from './ledger/open-batch.ts'
import type { Services } from './services.ts'
import { flowControl } from './trigger.ts'

/** What a start asks for; what is left out is the definition's. */
export type AskedBounds = Limits & { canary?: Canary | null | undefined }

/** @throws HttpError 400 when a budget is in dollars and no prices are configured. */
export function boundsOf(services: Services, workflow: Workflow, asked: AskedBounds): Bounds {
  const { parallelism, rate } = flowControl(services, workflow, 'execute')
  const budget = asked.budget === undefined ? workflow.budget : asked.budget
  checkBudget(services, budget)
  const { inputTokens, outputTokens } = workflow.estimate ?? { inputTokens: 0, outputTokens: 0 }
  const prices = pricesOf(services)
  return {
    parallelism: asked.parallelism ?? parallelism,
    rate: asked.rate ?? rate,
    maxOutstanding: asked.maxOutstanding ?? workflow.maxOutstanding,
    budget,
    tolerate: asked.tolerate === undefined ? workflow.tolerate : asked.tolerate,
    canary: asked.canary === undefined ? workflow.canary : asked.canary,
    ...prices,
    itemTokens: inputTokens + outputTokens,
    itemUsd: dollars({ inputTokens, outputTokens }, prices) ?? 0,
  }
}

/** What tokens cost now; null without a price. */
export const pricesOf = ({ env }: Services): Prices => ({
  inputUsdPerMillion: env.AI_INPUT_USD_PER_MILLION ?? null,
  outputUsdPerMillion: env.AI_OUTPUT_USD_PER_MILLION ?? null,
})

/** @throws HttpError 400 when the budget is in dollars and no prices are configured. */
export function checkBudget(services: Services, budget: Budget | null | undefined): void {
  const { inputUsdPerMillion, outputUsdPerMillion } = pricesOf(services)
  if (budget?.usd === undefined || (inputUsdPerMillion !== null && outputUsdPerMillion !== null)) return
  throw invalid(
    'a budget in dollars needs prices: set AI_INPUT_USD_PER_MILLION and AI_OUTPUT_USD_PER_MILLION',
  )
}
