const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/gy

/** Milliseconds of `90`, `"90"` (seconds), `"90s"`, `"6m5s"` or `"7d"`; undefined when it is none of them. */
export function parseDuration(value: string | number): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? value * 1000 : undefined
  const text = value.trim()
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000
  let total = 0
  let end = 0
  for (const part of text.matchAll(PART)) {
    total += Number(part[1]) * (UNITS[part[2] ?? ''] ?? 0)
    end = part.index + part[0].length
  }
  return end > 0 && end === text.length ? total : undefined
}
