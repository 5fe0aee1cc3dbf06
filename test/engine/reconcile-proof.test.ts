import { sql } from 'drizzle-orm'
import { beforeEach, expect, test } from 'vitest'
import { runTick } from '../../src/cron.ts'
import { reconcileCron } from '../../src/engine/reconcile.ts'
import { proof } from '../http/proofs.ts'
import { isFailureCallback, type Fate } from '../support/deliveries.ts'
import { userId } from '../support/population.ts'
import { forget, isItemOf, isPage, reconciling } from '../support/reconciling.ts'
import { defaultPages } from '../support/toy.ts'
import { resetEverything } from '../support/rounds.ts'

beforeEach(resetEverything)

test('a layer-2 run, a layer-3 run and a failure callback that are lost are healed by the cron tick, and the proof names them', async () => {
  const { deliver, die, now, id, services, toy, worked, ...app } = await reconciling(120, defaultPages)
  await deliver({
    concurrency: 1,
    async fate(delivery): Promise<Fate> {
      if (isFailureCallback(delivery)) return 'lost'
      if (isPage(3)(delivery) || isItemOf(userId(7))(delivery)) {
        await forget(delivery)
        return 'lost'
      }
      if (!isItemOf(userId(20))(delivery)) return 'normal'
      // Its worker dies each time, until QStash gives up and reports that in vain.
      await die(delivery, 0)
      return 'lost'
    },
  })
  expect(await now()).toMatchObject({ status: 'running', pages: 2, counts: { succeeded: 98, failed: 0 } })

  // Nothing has moved for longer than the grace.
  const { db } = services
  await db.execute(
    sql`update batches set started_at = now() - interval '1 hour', created_at = now() - interval '1 hour'`,
  )
  await db.execute(
    sql`update batch_items set queued_at = now() - interval '1 hour', ended_at = ended_at - interval '1 hour'`,
  )
  await db.execute(sql`update batch_pages set recorded_at = now() - interval '1 hour'`)
  await db.execute(sql`update changes set at = now() - interval '1 hour'`)
  await runTick(services, [toy], { cron: reconcileCron, scheduledTime: Date.now() })
  await deliver()

  expect(await now()).toMatchObject({
    status: 'completed',
    counts: { recorded: 120, succeeded: 119, failed: 1 },
  })
  const { balanced, healed, workedOnAgain } = await proof(app, id)
  expect({ balanced, workedOnAgain }).toEqual({ balanced: true, workedOnAgain: 0 })
  expect(healed.byAction).toEqual({ 'heal.page': 1, 'heal.item': 1, 'heal.failure-report': 1 })
  expect(healed.latest).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ action: 'heal.page', after: expect.objectContaining({ page: 3 }) }),
      expect.objectContaining({ action: 'heal.item', after: expect.objectContaining({ itemId: userId(7) }) }),
      expect.objectContaining({
        action: 'heal.failure-report',
        after: expect.objectContaining({ layer: 'execute', itemId: userId(20) }),
      }),
    ]),
  )
  expect(worked.length).toBe(119)
})
