import { z } from 'zod'
import { isStorable } from '../db/json.ts'
import { presentable } from '../errors.ts'
import { Skip, type Ai, type Json, type Params, type Workflow } from '../workflows/contract.ts'
import type { Services } from './services.ts'

export type Done = { status: 'succeeded'; data: Json } | { status: 'skipped'; reason: string }

/**
 * Does a workflow's work for one item, and checks what comes of it.
 *
 * @param item.signal ends the work.
 * @throws what the work throws; Error when it takes too long or its result does not fit.
 */
export async function doWork(
  { db }: Services,
  workflow: Workflow,
  item: { itemId: string; params: Params; signal: AbortSignal },
  ai: Ai,
): Promise<Done> {
  const { params, signal, itemId } = item
  const done = await until(signal, workflow.timeout, () => workflow.work({ db, ai, params, signal }, itemId))
  if (done instanceof Skip) return { status: 'skipped', reason: presentable(done.reason) }
  const data = workflow.data.parse(done)
  checkStorable(data)
  return { status: 'succeeded', data }
}

/** What was done has come to something that cannot be kept, and will again. */
export class ResultError extends Error {
  override name = 'ResultError'
}

/** @throws ResultError when a result would not be read from Postgres as it is. */
export function checkStorable(data: Json): void {
  if (!z.json().safeParse(data).success) {
    throw new ResultError('the result is not JSON: it is or holds a Date, undefined, NaN or the like')
  }
  if (!isStorable(data)) throw new ResultError('the result holds a character that cannot be stored')
}

/**
 * Does work that `signal` ends.
 *
 * @param timeout how long that is, for the message.
 */
export async function until<T>(signal: AbortSignal, timeout: string, work: () => Promise<T>): Promise<T> {
  const tooLong = () => new Error(`the work took longer than ${timeout}`)
  // Where much waits to be run, the time may be over and the signal not have said so yet.
  await new Promise((resolve) => setTimeout(resolve, 0))
  if (signal.aborted) throw tooLong()
  return await Promise.race([
    work(),
    new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(tooLong()), { once: true })
    }),
  ])
}
