import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { abandonItem } from '../../src/engine/ledger/end-item.ts'
import { modelStats } from '../http/samples.ts'
import { isItem, type Fate, type PendingDelivery } from '../support/deliveries.ts'
import { local, resetEverything, rounds } from '../support/rounds.ts'
import { runToy } from '../support/started.ts'
import { askModel } from '../support/toy.ts'

beforeEach(resetEverything)

/** The run's step log holds nothing but its payload. */
const isFirstStep = ({ body }: PendingDelivery) => z.array(z.unknown()).parse(JSON.parse(body)).length === 1

describe('an item', () => {
  test('whose result could not be published is published by the next delivery, without working again', async () => {
    let tries = 0
    const { batch, delivered } = await runToy(
      1,
      async () => {
        tries += 1
        await local('redis', 'faults', { failNext: 1 })
        return { text: 'done' }
      },
      {},
    )
    expect(tries).toBe(1)
    expect(batch.counts).toMatchObject({ succeeded: 1 })
    expect(delivered.filter(({ status }) => status >= 500).length).toBe(1)
    expect(await local('redis', 'stats')).toMatchObject({ byName: { SET: 1 } })
  })

  test('whose save found no database is saved a moment later, without working or paying again', async () => {
    let tries = 0
    const { batch } = await runToy(1, async (tools, id) => {
      tries += 1
      const made = await askModel(tools, id)
      await local('neon', 'faults', { failNext: 1 })
      return made
    })
    expect(tries).toBe(1)
    const { promptTokens } = await modelStats()
    expect(batch).toMatchObject({ counts: { succeeded: 1 }, spent: { inputTokens: promptTokens } })
  })

  test.each([
    ['taken by another delivery', sql`update batch_items set token = gen_random_uuid()`, { running: 1 }],
    ['ended as one of a dead worker', null, { failed: 1 }],
  ])('whose claim was %s before its save is paid for all the same, once', async (_, taken, counts) => {
    let tries = 0
    const { db } = rounds().services
    const { batch } = await runToy(1, async (tools, id) => {
      const made = await askModel(tools, id)
      tries += 1
      if (taken !== null) await db.execute(taken)
      else {
        const { rows } = await db.execute(sql`update batch_items set lease_until = now() returning batch_id`)
        const item = { batchId: String(rows[0]?.batch_id), itemId: id, attempt: 1, pageSize: 50 }
        const error = { name: 'RunFailed', message: 'it died', step: 'run', fingerprint: 'run' }
        await abandonItem(db, item, { status: 'failed', error })
      }
      return made
    })
    const { promptTokens } = await modelStats()
    expect(tries).toBe(1)
    expect(batch).toMatchObject({ counts, spent: { inputTokens: promptTokens } })
  })

  test('survives a database that does not answer for a while', async () => {
    let tries = 0
    const { batch } = await runToy(
      3,
      () => {
        tries += 1
        return Promise.resolve({ text: 'done' })
      },
      {},
      {
        concurrency: 1,
        async fate(delivery): Promise<Fate> {
          const firstTry = delivery.headers['upstash-retried'] === '0'
          if (isItem(delivery) && isFirstStep(delivery) && firstTry) {
            await local('neon', 'faults', { failNext: 1 })
          }
          return 'normal'
        },
      },
    )
    expect(batch).toMatchObject({ status: 'completed', counts: { recorded: 3, succeeded: 3 } })
    expect(tries).toBe(3)
  })
})
