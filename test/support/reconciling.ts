import { z } from 'zod'
import { reconcile } from '../../src/engine/reconcile.ts'
import type { Services } from '../../src/engine/services.ts'
import { isFailureCallback, payloadOf, qstash, type Fate, type PendingDelivery } from './deliveries.ts'
import type { rounds } from './rounds.ts'
import { started } from './started.ts'
import { lane } from './lane.ts'

const healsSchema = z.object({
  data: z.array(
    z.object({
      action: z.string(),
      actor: z.string(),
      workflow: z.string(),
      reason: z.string().nullable(),
      after: z.json(),
    }),
  ),
})

/** What was healed of a batch, as an operator reads it, in order. */
export async function healsOf(app: Pick<ReturnType<typeof rounds>, 'call'>, batchId: string) {
  const { body } = await app.call('GET', `/api/admin/changes?batchId=${batchId}&limit=200`)
  const heals = healsSchema.parse(body).data.filter(({ action }) => action.startsWith('heal.'))
  return heals.toReversed()
}

/** A started batch over this many users, and the tick that reconciles, without any grace. */
export async function reconciling(count: number, options: Parameters<typeof started>[1] = {}) {
  const batch = await started(count, options)
  const { id, toy, services } = batch
  return {
    ...batch,
    tick: ({ graceSeconds = 0, at = services }: { graceSeconds?: number; at?: Services } = {}) =>
      reconcile(at, [toy], { graceSeconds }),
    heals: () => healsOf(batch, id),
    actions: async () => (await healsOf(batch, id)).map(({ action }) => action),
  }
}

export const isProcess = ({ url }: PendingDelivery) => url.endsWith('/process-users')

/** A run of layer 2 that reads this page. */
export const isPage = (page: number) => (delivery: PendingDelivery) =>
  delivery.url.endsWith('/paginate-users') && Reflect.get(Object(payloadOf(delivery)), 'page') === page

export const isChunk = (delivery: PendingDelivery) =>
  delivery.url.endsWith('/paginate-users') && Object.hasOwn(Object(payloadOf(delivery)), 'userIds')

/** A run of layer 3 for this user. */
export const isItemOf = (userId: string) => (delivery: PendingDelivery) =>
  delivery.url.endsWith('/execute-user') && Reflect.get(Object(payloadOf(delivery)), 'userId') === userId

/** What the local QStash answers to a question. */
export async function qstashSays(path: string): Promise<unknown> {
  const headers = { authorization: `Bearer ${lane.bindings.QSTASH_TOKEN}` }
  const response = await fetch(lane.services.qstash + path, { headers })
  return await response.json()
}

/** Makes QStash forget a run, as if it had never been there. */
export const forget = ({ headers }: Pick<PendingDelivery, 'headers'>) =>
  qstash('/local/drop', { runId: headers['upstash-workflow-runid'] })

/** Loses the runs that `which` picks without a trace, after what `meanwhile` does. */
export const forgetting =
  (
    which: (delivery: PendingDelivery) => boolean,
    meanwhile?: (delivery: PendingDelivery) => Promise<unknown>,
  ) =>
  async (delivery: PendingDelivery): Promise<Fate> => {
    if (isFailureCallback(delivery) || !which(delivery)) return 'normal'
    await meanwhile?.(delivery)
    await forget(delivery)
    return 'lost'
  }

/** Loses every delivery of the runs that `which` picks, and every report that they failed. */
export const silencing =
  (
    which: (delivery: PendingDelivery) => boolean,
    meanwhile?: (delivery: PendingDelivery) => Promise<unknown>,
  ) =>
  async (delivery: PendingDelivery): Promise<Fate> => {
    if (isFailureCallback(delivery)) return 'lost'
    if (!which(delivery)) return 'normal'
    await meanwhile?.(delivery)
    return 'lost'
  }
