import { beforeEach, expect, test } from 'vitest'
import { RetryLaterError } from '../../../src/errors.ts'
import { isItem, takeDeliveries } from '../../support/deliveries.ts'
import { insertUsers } from '../../support/population.ts'
import { qstashThatIsDown, resetEverything, rounds } from '../../support/rounds.ts'
import { durableToy } from '../../support/toy.ts'
import { done, sleeper } from './sleeper.ts'

beforeEach(resetEverything)

test('a service that asks for patience puts the item off, and costs it no try', async () => {
  let asked = 0
  const app = rounds([
    durableToy(async (_, { step }) => ({
      text: await step('patient', async () => {
        asked += 1
        if (asked < 9) throw new RetryLaterError('slowly', 30)
        return 'there'
      }),
    })),
  ])
  await insertUsers(app.services.db, 1)
  const { id } = await app.start('toy')
  const delivered = await app.deliver()
  expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 1 } })
  expect(asked).toBe(9)
  expect(delivered.every(({ status }) => status === 200)).toBe(true)
})

test('a handler that has no steps at all ends as well', async () => {
  const app = rounds([durableToy(async () => ({ text: 'nothing to it' }))])
  await insertUsers(app.services.db, 1)
  const { id } = await app.start('toy')
  await app.deliver()
  expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 1 } })
})

test('items whose first delivery is repeated, lost or unanswered are handled once', async () => {
  const { workflow, acts } = sleeper()
  const app = rounds([workflow])
  await insertUsers(app.services.db, 12)
  const { id } = await app.start('toy')
  let n = 0
  await app.deliver({
    fate: (delivery) => {
      if (!isItem(delivery) || delivery.headers['upstash-retried'] !== '0') return 'normal'
      n += 1
      return (['twice', 'unanswered', 'normal', 'normal', 'lost'] as const)[n % 5] ?? 'normal'
    },
  })
  expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 12 } })
  expect(acts.toSorted()).toEqual([...done('after', 12), ...done('before', 12)].toSorted())
})

test('an item whose new run could not be triggered gets it when its last step is delivered again', async () => {
  let asked = 0
  const workflow = durableToy(async (_, { step }) => ({
    text: await step('patient', async () => {
      asked += 1
      if (asked === 1) throw new RetryLaterError('slowly', 60)
      return 'there'
    }),
  }))
  const app = rounds([workflow])
  const offline = rounds([workflow], { QSTASH_URL: qstashThatIsDown })
  await insertUsers(app.services.db, 1)
  const { id } = await app.start('toy')
  let deliveries = 0
  const worker = (request: Request) => {
    deliveries += Number(request.url.endsWith('/execute-user'))
    return (deliveries === 2 ? offline : app).worker(request)
  }
  const delivered = await takeDeliveries(worker, { concurrency: 1 })
  expect(delivered.filter(({ status }) => status >= 500)).toHaveLength(1)
  expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 1 } })
  expect(asked).toBe(2)
})
