/** Dollars for a million tokens; null: not configured. */
export type Prices = { inputUsdPerMillion: number | null; outputUsdPerMillion: number | null }

/** What tokens cost in dollars; null when no prices are known. */
export function dollars(
  tokens: { inputTokens: number; outputTokens: number },
  prices: Prices,
): number | null {
  const { inputUsdPerMillion, outputUsdPerMillion } = prices
  if (inputUsdPerMillion === null || outputUsdPerMillion === null) return null
  return (tokens.inputTokens * inputUsdPerMillion + tokens.outputTokens * outputUsdPerMillion) / 1e6
}
