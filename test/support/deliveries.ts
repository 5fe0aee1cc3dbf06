import { z } from 'zod'
import { lane } from './lane.ts'

const deliverySchema = z.object({
  id: z.string(),
  url: z.string(),
  method: z.string(),
  headers: z.record(z.string(), z.string()),
  body: z.string(),
})
export type PendingDelivery = z.output<typeof deliverySchema>

/** What happens to a delivery: `lost` never arrives, `unanswered` arrives but its answer does not. */
export type Fate = 'normal' | 'lost' | 'unanswered' | 'twice'

export type DeliveryOptions = {
  /** Deliveries at the same time. */
  concurrency?: number
  /** Decides over each delivery; default `normal`. */
  fate?: (delivery: PendingDelivery) => Fate | Promise<Fate>
  /** Ends before everything is delivered. */
  until?: () => boolean
  /** The Worker dies when this resolves: whoever waits for its answer gets none. */
  death?: () => Promise<void>
  /** Ends when nothing is due for longer than that, instead of moving the clock on. */
  longestSkipMs?: number
  /** Moves the clock on also while a delivery is at work, which may have something due before that. */
  skipsWhileBusy?: boolean
}

export type Delivered = { path: string; status: number; answer: string }

type Fetch = (request: Request) => Promise<Response>

/** Calls the local QStash itself. */
export const qstash = (path: string, body?: unknown) =>
  fetch(lane.services.qstash + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${lane.bindings.QSTASH_TOKEN}` },
    body: body === undefined ? null : JSON.stringify(body),
  })

/** What lanes know of each other: the latest move of the clock, each of which is another promise. */
type Lanes = { skip: Promise<unknown> }

/** Delivers what is pending, moving the clock on when nothing is due, until nothing is left. */
export async function takeDeliveries(worker: Fetch, options: DeliveryOptions): Promise<Delivered[]> {
  const done: Delivered[] = []
  const shared: Lanes = { skip: Promise.resolve() }
  const lanes = Array.from({ length: options.concurrency ?? 4 }, () =>
    takeLane(worker, options, done, shared),
  )
  await Promise.all(lanes)
  return done
}

async function takeLane(
  worker: Fetch,
  options: DeliveryOptions,
  done: Delivered[],
  lanes: Lanes,
): Promise<void> {
  const { skipsWhileBusy = false } = options
  const waitMs = skipsWhileBusy ? 2 : 1000
  let delivered: { id: string; outcome: object } | null = null
  for (;;) {
    if (options.until?.() === true) {
      if (delivered !== null) await qstash(`/local/deliveries/${delivered.id}`, delivered.outcome)
      return
    }
    const { skip } = lanes
    // Until it has moved, the same is due as before, and would have it moved twice.
    await skip
    const response: Response =
      delivered === null
        ? await qstash(`/local/deliveries/next?waitMs=${waitMs}`)
        : await qstash(`/local/deliveries/${delivered.id}?nextWaitMs=${waitMs}`, delivered.outcome)
    delivered = null
    // Everything was forgotten meanwhile, and the delivery with it.
    if (response.status === 404) continue
    if (response.status === 204) {
      const dueIn = response.headers.get('local-next-due-ms')
      const isBusy = response.headers.get('local-in-flight') !== '0' && !skipsWhileBusy
      // Another lane has moved the clock on meanwhile, or delivers what may have something due before that.
      if (lanes.skip !== skip || isBusy) continue
      if (dueIn === null || Number(dueIn) > (options.longestSkipMs ?? Infinity)) return
      lanes.skip = qstash('/local/clock/advance', { ms: Number(dueIn) })
      await lanes.skip
      continue
    }
    const delivery = deliverySchema.parse(await response.json())
    const fate = (await options.fate?.(delivery)) ?? 'normal'
    const die = options.death?.().then(() => null)
    const delivering = fate === 'lost' ? null : deliver(worker, delivery, done)
    const answer = await Promise.race([delivering, ...(die === undefined ? [] : [die])])
    if (fate === 'twice') await deliver(worker, delivery, done)
    const lost = answer === null || fate === 'unanswered'
    delivered = { id: delivery.id, outcome: lost ? { error: 'connection reset' } : answer }
  }
}

async function deliver(worker: Fetch, delivery: PendingDelivery, done: Delivered[]) {
  const { url, method, headers, body } = delivery
  const request = new Request(url, { method, headers, body: method === 'GET' ? undefined : body })
  // What a workflow has QStash call is somewhere else.
  const response = await (url.startsWith(lane.bindings.APP_URL ?? '') ? worker(request) : fetch(request))
  const answer = {
    status: response.status,
    headers: Object.fromEntries(response.headers),
    body: await response.text(),
  }
  done.push({ path: new URL(url).pathname, status: answer.status, answer: answer.body })
  return answer
}

/** What the layer of a delivery was triggered with. */
export function payloadOf({ body }: PendingDelivery): unknown {
  const log = z.array(z.object({ body: z.string() })).parse(JSON.parse(body))
  return JSON.parse(atob(log[0]?.body ?? ''))
}

/** A delivery of a toy workflow's layer 3. */
export const isItem = ({ url }: PendingDelivery) => url.endsWith('/execute-user')

/** QStash's report of a run that failed for good. */
export const isFailureCallback = ({ headers }: PendingDelivery) =>
  headers['upstash-workflow-is-failure'] === 'true'
