import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import type { Ask, LoadOptions } from './run-load.ts'

const pageSchema = z.object({ data: z.array(z.unknown()), nextCursor: z.string().nullable() })

/** Asks for the start of the same workflow over and over, without waiting for answers. */
export async function startMany(ask: Ask, { startsPerSecond, startSeconds }: LoadOptions) {
  const path = '/workflows/agent-welcome/batches'
  const before = await batches(ask)
  const asked: Promise<{ status: number; ms: number }>[] = []
  const begun = Date.now()
  for (let n = 0; n < startsPerSecond * startSeconds; n += 1) {
    const wait = begun + (n * 1000) / startsPerSecond - Date.now()
    if (wait > 0) await sleep(wait)
    asked.push(timed(() => ask('POST', path, { limit: 2 })))
  }
  const answers = await Promise.all(asked)
  const having = (status: number) => answers.filter((answer) => answer.status === status).length
  const sorted = answers.map(({ ms }) => ms).toSorted((a, b) => a - b)
  const at = (share: number) => Math.round(sorted[Math.floor(share * (sorted.length - 1))] ?? 0)
  return {
    asked: answers.length,
    started: having(201),
    refusedAsOneIsActive: having(409),
    otherAnswers: [...new Set(answers.map(({ status }) => status))].filter(
      (status) => ![201, 409].includes(status),
    ),
    batches: (await batches(ask)) - before,
    answeredPerSecond: Math.round((answers.length * 1000) / (Date.now() - begun)),
    medianMs: at(0.5),
    p99Ms: at(0.99),
  }
}

async function timed(request: () => Promise<{ status: number }>) {
  const begun = Date.now()
  const { status } = await request()
  return { status, ms: Date.now() - begun }
}

/** How many batches of the workflow there are. */
async function batches(ask: Ask): Promise<number> {
  let found = 0
  let cursor: string | null = ''
  while (cursor !== null) {
    const after: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const page = pageSchema.parse(
      (await ask('GET', `/batches?workflow=agent-welcome&limit=100${after}`)).body,
    )
    found += page.data.length
    cursor = page.nextCursor
  }
  return found
}
