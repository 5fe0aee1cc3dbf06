import { beforeEach, describe, expect, test } from 'vitest'
import { userId } from '../support/population.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { started } from '../support/started.ts'
import { toyWorkflow } from '../support/toy.ts'

beforeEach(resetEverything)

describe('a run with a wrong payload', () => {
  const unknown = '00000000-0000-7000-8000-000000000000'
  test.each([
    ['process-users', { batchId: 'x' }],
    ['process-users', { batchId: unknown, dryRun: true }],
    ['process-users', { limit: 3_000_000_000 }],
    ['process-users', { batchId: unknown }],
    ['paginate-users', {}],
    ['paginate-users', { batchId: unknown, page: 1 }],
    ['paginate-users', { batchId: unknown, userIds: ['a'] }],
    ['paginate-users', { batchId: unknown, page: 0 }],
    ['paginate-users', { batchId: unknown, userIds: [] }],
    ['paginate-users', { batchId: unknown, page: 1, userIds: ['a'] }],
    ['execute-user', { batchId: unknown, userId: 'a', attempt: 1 }],
    ['execute-user', { batchId: unknown, attempt: 1 }],
    ['execute-user', { batchId: unknown, userId: 7, attempt: 1 }],
  ])('to %s %j goes to the dead letter queue at once', async (segment, body) => {
    const app = rounds([toyWorkflow(() => Promise.resolve({ text: '' }))])
    await app.services.client.trigger({ url: `https://rounds.test/api/workflows/toy/${segment}`, body })
    const delivered = await app.deliver()
    expect(delivered.map(({ status }) => status)).toEqual([489, 200])
  })

  test('for a page that nothing leads to yet leaves the batch alone', async () => {
    const { deliver, now, send, worked } = await started(3)
    await send('paginate-users', { page: 3 })
    const delivered = await deliver({ concurrency: 1 })
    expect(delivered.every(({ status }) => status === 200)).toBe(true)
    expect(await now()).toMatchObject({ status: 'completed', counts: { succeeded: 3 } })
    expect(worked.length).toBe(3)
  })

  test('that names the batch of another workflow goes there too, and that batch is left alone', async () => {
    const other = toyWorkflow(() => Promise.resolve({ text: '' }), { name: 'other' })
    const { id, toy, now } = await started(3)
    const app = rounds([toy, other])
    for (const [segment, body] of [
      ['process-users', { batchId: id }],
      ['paginate-users', { batchId: id, page: 1 }],
      ['paginate-users', { batchId: id, userIds: [userId(1)] }],
      ['execute-user', { batchId: id, userId: userId(1), attempt: 1 }],
    ] as const) {
      await app.services.client.trigger({ url: `https://rounds.test/api/workflows/other/${segment}`, body })
    }
    const delivered = await app.deliver()
    expect(delivered.filter(({ status }) => status === 489).length).toBe(4)
    expect(await now()).toMatchObject({ status: 'completed', counts: { recorded: 3, succeeded: 3 } })
  })
})
