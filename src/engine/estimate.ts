import type { Assumptions } from '../db/schema.ts'
import { dollars } from './dollars.ts'

/** What a plan is thought to cost. Null: nobody knows. */
export type Estimates = {
  /** Deliveries, which QStash bills. */
  messages: { count: number; usd: number }
  model: { inputTokens: number; outputTokens: number; usd: number | null } | null
  /** From the pace of layer 3, and the seconds of work when they are known. */
  durationSeconds: number
}

/** Estimates what a batch over so many items takes. */
export function estimate(toProcess: number, of: Assumptions): Estimates {
  const { pageSize, chunkSize, messagesPerRun, rate, parallelism, seconds } = of
  const pages = Math.ceil(toProcess / pageSize)
  const rest = toProcess - Math.max(0, pages - 1) * pageSize
  const furtherChunks = (items: number) => Math.max(0, Math.ceil(items / chunkSize) - 1)
  const chunkRuns = pages === 0 ? 0 : (pages - 1) * furtherChunks(pageSize) + furtherChunks(rest)
  const count = messagesPerRun * (1 + pages + chunkRuns + toProcess)
  const paced = (messagesPerRun * toProcess) / rate
  const worked = ((seconds ?? 0) * toProcess) / parallelism
  return {
    messages: { count, usd: count / of.messagesPerUsd },
    model: modelUse(toProcess, of),
    durationSeconds: Math.ceil(Math.max(paced, worked)),
  }
}

function modelUse(toProcess: number, of: Assumptions): Estimates['model'] {
  if (of.inputTokens === null || of.outputTokens === null) return null
  const inputTokens = Math.round(of.inputTokens * toProcess)
  const outputTokens = Math.round(of.outputTokens * toProcess)
  return { inputTokens, outputTokens, usd: dollars({ inputTokens, outputTokens }, of) }
}
