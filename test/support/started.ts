import { z } from 'zod'
import type { Db } from '../../src/db/client.ts'
import { batches } from '../../src/db/schema.ts'
import { claimItem } from '../../src/engine/ledger/claim.ts'
import { payloadOf, type PendingDelivery } from './deliveries.ts'
import { insertUsers } from './population.ts'
import { qstashThatIsDown, rounds } from './rounds.ts'
import { toyWorkflow } from './toy.ts'

/** A batch over this many users that was started and not delivered yet, with work that notes whom it worked on. */
export async function started(count: number, options: Parameters<typeof toyWorkflow>[1] = {}) {
  const worked: string[] = []
  const toy = toyWorkflow((_, id) => {
    worked.push(id)
    return Promise.resolve({ text: id })
  }, options)
  const app = rounds([toy])
  await insertUsers(app.services.db, count)
  const { id } = await app.start('toy')
  return {
    ...app,
    toy,
    id,
    worked,
    /** The same deployment while it cannot reach QStash. */
    cutOff: rounds([toy], { QSTASH_URL: qstashThatIsDown }),
    act: (action: string) => app.call('POST', `/api/admin/batches/${id}/${action}`),
    now: () => app.batch(id),
    /** Claims the item of a delivery, as a worker does that then dies. */
    die: async (delivery: PendingDelivery, leaseSeconds: number) => {
      const { userId, attempt } = z
        .object({ userId: z.string(), attempt: z.int() })
        .parse(payloadOf(delivery))
      const lease = { token: crypto.randomUUID(), seconds: leaseSeconds }
      await claimItem(app.services.db, toy, { batchId: id, itemId: userId, attempt }, lease)
    },
    /** Sends a run that QStash does not know of yet, as a delivery from long ago would come. */
    send: async (segment: string, payload: Record<string, unknown>) => {
      const url = `https://rounds.test/api/workflows/toy/${segment}`
      await app.services.client.trigger({ url, body: { batchId: id, ...payload } })
    },
  }
}

/** Runs a batch over this many users with this work, until nothing is left to deliver. */
export async function runToy(
  users: number,
  work: Parameters<typeof toyWorkflow>[0],
  options: Parameters<typeof toyWorkflow>[1] = {},
  deliveries: Parameters<ReturnType<typeof rounds>['deliver']>[0] = {},
) {
  const app = rounds([toyWorkflow(work, options)])
  await insertUsers(app.services.db, users)
  const { id } = await app.start('toy')
  const delivered = await app.deliver(deliveries)
  const items = async (status: string) =>
    (await app.call('GET', `/api/admin/batches/${id}/items?status=${status}`)).body
  return { ...app, id, delivered, items, batch: await app.batch(id) }
}

/** Opens a batch as a cron tick does that dies before it could trigger it. */
export async function openUntriggered(db: Db, changes: { force?: boolean } = {}): Promise<string> {
  const id = crypto.randomUUID()
  await db.insert(batches).values({
    id,
    workflow: 'toy',
    scope: '',
    status: 'starting',
    startKey: 'cron:toy:1',
    startedBy: 'cron',
    params: { tag: '' },
    force: false,
    maxOutstanding: 1000,
    parallelism: 10,
    rate: 5,
    itemTokens: 0,
    itemUsd: 0,
    ...changes,
  })
  return id
}
