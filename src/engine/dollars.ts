/** What tokens cost in dollars; null when no prices are known. */
export function dollars(
  tokens: { inputTokens: number; outputTokens: number },
  prices: { inputUsdPerMillion: number | null; outputUsdPerMillion: number | null },
): number | null {
  const { inputUsdPerMillion, outputUsdPerMillion } = prices
  if (inputUsdPerMillion === null || outputUsdPerMillion === null) return null
  return (tokens.inputTokens * inputUsdPerMillion + tokens.outputTokens * outputUsdPerMillion) / 1e6
}
