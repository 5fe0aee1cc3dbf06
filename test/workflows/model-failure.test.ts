import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { results } from '../../src/db/schema.ts'
import { cacheEntry } from '../http/redis.ts'
import { local, resetEverything, rounds } from '../support/rounds.ts'
import { addAgent, addUser } from './records.ts'
import { itemsOf, runBatch, timesAsked } from './runs.ts'

beforeEach(resetEverything)

const cases = [
  { workflow: 'welcome-placeholder', add: addUser, prefix: 'aiGeneration:welcome_placeholder' },
  { workflow: 'agent-welcome', add: addAgent, prefix: 'aiGeneration:agent_welcome' },
]

const statsSchema = z.object({ promptTokens: z.number(), completionTokens: z.number() })

describe.each(cases)('an answer for $workflow', ({ workflow, add, prefix }) => {
  test.for(['wrong-shape', 'not-json', 'empty', 'truncated'])(
    'that is %s every time is asked for again, never stored, and fails the item with the reason',
    async (malformed) => {
      const app = rounds()
      await add(app.services.db, 'fern')
      await local('model', 'faults', { rules: [{ malformed }] })
      const batch = await runBatch(app, workflow)

      const [failed] = await itemsOf(app, batch.id)
      expect(batch).toMatchObject({ status: 'completed', counts: { recorded: 1, failed: 1 } })
      expect(failed).toMatchObject({ id: 'fern', status: 'failed', claims: 4 })
      // Nothing of what the model wrote.
      expect(failed?.error?.message).toBe("the model's answer does not fit the schema")
      expect(await timesAsked()).toBe(4)
      expect(await app.services.db.select().from(results)).toEqual([])
      expect(await cacheEntry(`${prefix}:fern`)).toBeNull()
    },
  )

  test('that is malformed once is asked for again and then stored', async () => {
    const app = rounds()
    await add(app.services.db, 'fern')
    await local('model', 'faults', { rules: [{ malformed: 'wrong-shape', times: 1 }] })
    expect((await runBatch(app, workflow)).counts).toMatchObject({ recorded: 1, succeeded: 1 })
    expect(await timesAsked()).toBe(2)
    expect(await cacheEntry(`${prefix}:fern`)).not.toBeNull()
  })

  test('that is refused as a bad request fails the item at once, and nobody else', async () => {
    const app = rounds()
    for (const id of ['fern', 'moss']) await add(app.services.db, id)
    await local('model', 'faults', { rules: [{ status: 400, times: 1 }] })
    expect((await runBatch(app, workflow)).counts).toMatchObject({ recorded: 2, succeeded: 1, failed: 1 })
    expect(await timesAsked()).toBe(2)
  })

  test('that is refused fails the item with the status and the code, not in words that may repeat the prompt', async () => {
    const app = rounds()
    await add(app.services.db, 'fern')
    await local('model', 'faults', { rules: [{ status: 400, message: 'I do not like gardening' }] })
    const [failed] = await itemsOf(app, (await runBatch(app, workflow)).id)
    expect(failed?.error).toMatchObject({
      name: 'Model400',
      message: 'the model answered 400 (invalid_request_error)',
    })
  })

  test.for([429, 500, 503])('that is a %d twice is waited for', async (status) => {
    const app = rounds()
    await add(app.services.db, 'fern')
    await local('model', 'faults', { rules: [{ status, times: 2 }] })
    expect((await runBatch(app, workflow)).counts).toMatchObject({ recorded: 1, succeeded: 1 })
    expect(await timesAsked()).toBe(3)
  })

  test('is counted with everything that it cost, the tries that came to nothing included', async () => {
    const app = rounds()
    await add(app.services.db, 'fern')
    await local('model', 'faults', { rules: [{ malformed: 'wrong-shape', times: 1 }] })
    const batch = await runBatch(app, workflow)
    const paid = statsSchema.parse(await local('model', 'stats'))
    const [item] = await itemsOf(app, batch.id)
    expect(item).toMatchObject({ inputTokens: paid.promptTokens, outputTokens: paid.completionTokens })
  })
})
