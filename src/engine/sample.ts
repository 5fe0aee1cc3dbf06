import ms from 'ms'
import type { ModelRequest } from '../services/ai.ts'
import type { Workflow } from '../workflows/contract.ts'
import { doWork } from './do-work.ts'
import { itemError } from './item-error.ts'
import { openSample, type NewSample, type RefusedSample } from './ledger/open-sample.ts'
import { claimSampleItem, saveSampleItem, type SampleClaim, type Sampled } from './ledger/samples.ts'
import type { Services } from './services.ts'

/** Items of one sample that are worked on at once, by all requests for it. */
const parallelism = 4

/** How often a request looks whether another one for the same sample has ended what it works on. */
const pollMs = 500

export type Made =
  | { outcome: 'made'; id: string }
  | RefusedSample
  /** The kill switch went on while the sample was made. */
  | { outcome: 'stopped'; id: string }

/**
 * Works on a few items without publishing anything. Each is saved as it ends: a request that is repeated with its key
 * works only on what is still pending, and waits for what another one is working on.
 *
 * @throws Error when the ledger cannot be reached; what had ended by then is kept.
 */
export async function makeSample(services: Services, wish: NewSample): Promise<Made> {
  const opened = await openSample(services.db, wish)
  if (opened.outcome !== 'open') return opened
  const { id, pending } = opened
  const stopped = pending > 0 && (await workOff(services, wish, id, pending)) === 'killed'
  return { outcome: stopped ? 'stopped' : 'made', id }
}

type Work = Pick<NewSample, 'workflow' | 'params'>

/** Works until no item is pending, or the kill switch is on. */
async function workOff(
  services: Services,
  work: Work,
  sampleId: string,
  pending: number,
): Promise<'done' | 'killed'> {
  for (;;) {
    const lanes = Array.from({ length: Math.min(parallelism, pending) }, () => lane(services, work, sampleId))
    // When one breaks, the others still save what they have paid for.
    await Promise.allSettled(lanes)
    const outcomes = new Set(await Promise.all(lanes))
    if (outcomes.has('done')) return 'done'
    if (outcomes.has('killed')) return 'killed'
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
}

/** Works on one item after the other until none can be had. */
async function lane(
  services: Services,
  work: Work,
  sampleId: string,
): Promise<Exclude<SampleClaim['outcome'], 'claimed'>> {
  const timeout = ms(work.workflow.timeout)
  for (;;) {
    // Before the claim, so that the work is aborted no later than its lease ends.
    const signal = AbortSignal.timeout(timeout)
    const claim = await claimSampleItem(services.db, sampleId, { parallelism, leaseSeconds: timeout / 1000 })
    if (claim.outcome !== 'claimed') return claim.outcome
    const { itemId } = claim
    const made = await sampled(services, work.workflow, { itemId, params: work.params, signal })
    await saveSampleItem(services.db, { sampleId, itemId }, made)
  }
}

/** Does the work for one item once, and notes what the model was asked. */
async function sampled(
  services: Services,
  workflow: Workflow,
  item: Parameters<typeof doWork>[2],
): Promise<Sampled> {
  const input: ModelRequest[] = []
  const ai = services.createAi(item.signal, ({ instructions, prompt }) => {
    input.push({ instructions: storable(instructions), prompt: storable(prompt) })
  })
  const begun = Date.now()
  const outcome = await tryWork(() => doWork(services, workflow, item, ai), workflow, item.itemId)
  return { ...outcome, input: [...input], ...ai.used(), workMs: Date.now() - begun }
}

async function tryWork(
  work: () => ReturnType<typeof doWork>,
  { verb }: Workflow,
  itemId: string,
): Promise<Pick<Sampled, 'status' | 'output' | 'error'>> {
  try {
    const done = await work()
    if (done.status === 'succeeded') return { status: 'succeeded', output: done.data, error: null }
    const error = { name: 'Skipped', message: done.reason, step: verb }
    return { status: 'skipped', output: null, error }
  } catch (error) {
    const { fingerprint: _, ...described } = await itemError(error, verb, itemId)
    return { status: 'failed', output: null, error: described }
  }
}

/** Postgres stores neither NUL nor half of a surrogate pair. */
const storable = (text: string) => text.replaceAll('\0', '\uFFFD').toWellFormed()
