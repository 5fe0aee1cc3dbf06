import { z } from 'zod'
import type { Handler } from '../../../src/workflows/contract.ts'
import { isItem, qstash, type Fate, type PendingDelivery } from '../../support/deliveries.ts'
import { insertUsers, userId } from '../../support/population.ts'
import { rounds } from '../../support/rounds.ts'
import { durableToy } from '../../support/toy.ts'

type Toy = Handler<{ tag: string }, { text: string }>

/** Work, a week's sleep, and more work, with an undo of the first. */
export function sleeper(options: Parameters<typeof durableToy>[1] = {}) {
  const acts: string[] = []
  const handler: Toy = async ({ id }, { step, sleep, compensate }) => {
    compensate('before', async () => void acts.push(`undo ${id}`))
    await step('before', async () => void acts.push(`before ${id}`))
    await sleep('rest', '7 days')
    await step('after', async () => void acts.push(`after ${id}`))
    return { text: id }
  }
  return { workflow: durableToy(handler, options), acts }
}

/** An act for each of the first users. */
export const done = (act: string, users: number) =>
  Array.from({ length: users }, (_, index) => `${act} ${userId(index + 1)}`)

export const week = 7 * 24 * 3600 * 1000

/** A batch of sleepers, all of them asleep. */
export async function asleep(users: number, options: Parameters<typeof sleeper>[0] = {}) {
  const { workflow, acts } = sleeper(options)
  const app = rounds([workflow])
  await insertUsers(app.services.db, users)
  const { id } = await app.start('toy')
  const runs = new Set<string>()
  const fate = (delivery: PendingDelivery): Fate => {
    if (isItem(delivery)) runs.add(delivery.headers['upstash-workflow-runid'] ?? '')
    return 'normal'
  }
  await app.deliver({ fate, longestSkipMs: 900_000 })
  return {
    ...app,
    /** Loses the runs of all items. */
    lose: () => Promise.all([...runs].map((runId) => qstash('/local/drop', { runId }))),
    id,
    acts,
    workflow,
    now: () => app.batch(id),
    act: (action: string, body?: unknown) => app.call('POST', `/api/admin/batches/${id}/${action}`, body),
    items: async (status = 'waiting') =>
      z
        .object({
          data: z.array(
            z.object({
              id: z.string(),
              waitingFor: z.string().nullable(),
              waitingUntil: z.string().nullable(),
            }),
          ),
        })
        .parse((await app.call('GET', `/api/admin/batches/${id}/items?status=${status}`)).body).data,
    afterAWeek: () => qstash('/local/clock/advance', { ms: week }),
  }
}
