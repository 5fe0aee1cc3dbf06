import { eq } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { users } from '../../src/db/schema.ts'
import { userId } from '../support/population.ts'
import { resetEverything } from '../support/rounds.ts'
import { failedBatch } from './failed-batch.ts'

beforeEach(resetEverything)

describe('a retry, when something has changed since the failure,', () => {
  test('leaves alone what another batch has done since', async () => {
    const { retry, state, start, deliver, batch, id } = await failedBatch(30)
    state.broken = false
    await start('toy')
    await deliver()
    expect((await retry({ all: true })).body).toEqual({
      retried: 0,
      alreadyDone: 14,
      left: 0,
      notFailed: 0,
      unknown: 0,
    })
    expect((await batch(id)).status).toBe('completed')
    expect(state.worked.length).toBe(14)
  })

  test('of N of them passes over what has been done since', async () => {
    const { retry, state, start, deliver } = await failedBatch(30)
    state.broken = false
    await start('toy', { limit: 10 })
    await deliver()
    state.worked = []
    expect((await retry({ all: true, limit: 3 })).body).toEqual({
      retried: 3,
      alreadyDone: 10,
      left: 1,
      notFailed: 0,
      unknown: 0,
    })
    await deliver()
    expect(state.worked.length).toBe(3)
  })

  test('stores the result under the version that the item has by then', async () => {
    const { retry, state, services, deliver, call } = await failedBatch(30)
    state.broken = false
    await services.db
      .update(users)
      .set({ interests: ['chess'] })
      .where(eq(users.id, userId(3)))
    await retry({ itemIds: [userId(3), userId(5)] })
    await deliver()
    const plan = await call('POST', '/api/admin/workflows/toy/batches', { dryRun: true })
    // Of 14 that failed, the two are done, and nothing of what the first of them has changed is to be done once more.
    expect(plan.body).toMatchObject({ totalEligible: 30, toProcess: 12 })
  })

  test('in a batch that has ended forgets the tries from before for the breaker', async () => {
    const { deliver, call, batch, start } = await failedBatch(30)
    const { id } = await start('toy', { tolerate: { count: 14, window: 100 } })
    await deliver()
    expect(await batch(id)).toMatchObject({ status: 'completed', counts: { failed: 14 } })
    await call('POST', `/api/admin/batches/${id}/retry`, { itemIds: [userId(3)] })
    await deliver()
    expect(await batch(id)).toMatchObject({ status: 'completed', counts: { failed: 14 } })
  })

  test('is refused while another batch of the workflow is active', async () => {
    const { retry, start, deliver } = await failedBatch(30)
    const active = await start('toy', { force: true })
    expect(await retry({ all: true })).toMatchObject({
      status: 409,
      body: { error: { details: { activeBatchId: active.id } } },
    })
    await deliver()
    expect((await retry({ all: true })).status).toBe(200)
  })
})
