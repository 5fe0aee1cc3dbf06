import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { isItem, type Fate, type PendingDelivery } from '../support/deliveries.ts'
import { local, resetEverything } from '../support/rounds.ts'
import { runToy } from '../support/started.ts'

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
