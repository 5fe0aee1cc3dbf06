import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { deployed } from '../support/deployed.ts'
import { listen } from './listen.ts'
import { memoryOf } from './memory.ts'
import { startMany } from './start-many.ts'

export type LoadOptions = {
  items: number
  /** Who follow the batch, all the time. */
  listeners: number
  /** Starts that are asked for in a second, whether those before have been answered or not. */
  startsPerSecond: number
  startSeconds: number
}

const longestMs = 30 * 60_000
const count = z.int()
const batchSchema = z.object({ id: z.string(), status: z.string(), counts: z.object({ succeeded: count }) })
const proofSchema = z.object({ balanced: z.boolean() })

/** Asks the admin API. */
export type Ask = (method: string, path: string, body?: unknown) => Promise<{ status: number; body: unknown }>

/** Puts a load on the built Worker in workerd, with local services of its own, and says what it came to. */
export async function runLoad(options: LoadOptions) {
  await using cleanup = new AsyncDisposableStack()
  const { stack, url, pid, call } = await deployed(cleanup, {
    redisDatabase: 7,
    population: { users: options.items, agents: 1000 },
  })
  const { qstash, model } = stack
  const ask: Ask = (method, path, body) => call(method, `/api/admin${path}`, body)

  const memory = memoryOf(pid)
  cleanup.defer(() => void memory.stop())
  const started = Date.now()
  const answer = await ask('POST', '/workflows/welcome-placeholder/batches', { force: true })
  const { id } = batchSchema.parse(answer.body)
  const listening = Promise.all(
    Array.from({ length: options.listeners }, () => listen(`${url}/api/admin/batches/${id}/events`)),
  )
  // What goes wrong is said when it is awaited.
  listening.catch(() => undefined)
  const batch = await untilEnded(ask, id)
  const seconds = (Date.now() - started) / 1000
  const heard = await listening
  await qstash.idle({ timeoutMs: longestMs })
  const bytes = memory.stop()
  const proof = proofSchema.parse((await ask('GET', `/batches/${id}/proof`)).body)
  const items = batch.counts.succeeded
  const batchReport = {
    status: batch.status,
    items,
    modelRequests: model.stats().requests,
    isProved: proof.balanced,
    itemsPerSecond: round(items / seconds),
    deliveriesPerItem: round((qstash.stats().deliveriesByLabel[id] ?? 0) / items, 3),
    memory: bytes,
  }
  const listenerReport = {
    listeners: heard.length,
    heardTheEnd: heard.filter(({ ended }) => ended).length,
    events: heard.reduce((sum, { events }) => sum + events, 0),
    connections: heard.reduce((sum, { connections }) => sum + connections, 0),
  }
  const starts = await startMany(ask, options)
  await qstash.idle({ timeoutMs: longestMs })
  return { batch: batchReport, listeners: listenerReport, starts }
}

export type LoadReport = Awaited<ReturnType<typeof runLoad>>

const round = (value: number, digits = 1) => Number(value.toFixed(digits))

async function untilEnded(ask: Ask, id: string) {
  const deadline = Date.now() + longestMs
  while (Date.now() < deadline) {
    const batch = batchSchema.parse((await ask('GET', `/batches/${id}`)).body)
    if (batch.status === 'completed') return batch
    if (!['starting', 'running'].includes(batch.status)) throw new Error(`the batch is ${batch.status}`)
    await sleep(500)
  }
  throw new Error('the batch does not end')
}

/** What was lost, if anything was. */
export function losses({ batch, listeners, starts }: LoadReport): string[] {
  const lost = [
    batch.modelRequests !== batch.items && `${batch.modelRequests} model requests for ${batch.items} items`,
    !batch.isProved && 'the proof is not balanced',
    listeners.heardTheEnd !== listeners.listeners &&
      `${listeners.listeners - listeners.heardTheEnd} listeners did not hear of the end`,
    starts.otherAnswers.length > 0 && `starts were answered ${starts.otherAnswers.join(', ')}`,
    starts.started !== starts.batches && `${starts.started} starts made ${starts.batches} batches`,
  ]
  return lost.filter((problem) => problem !== false)
}
