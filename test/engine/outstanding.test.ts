import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { insertUsers } from '../support/population.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { toyWorkflow } from '../support/toy.ts'

beforeEach(resetEverything)

describe('maxOutstanding', () => {
  test.each([
    [1, 7],
    [5, 18],
    [10, 26],
    [12, 26],
    [24, 40],
  ])('%i is never exceeded over %i items, and all are done', async (maxOutstanding, users) => {
    let most = 0
    const app = rounds([
      toyWorkflow(
        async ({ db }) => {
          const { rows } = await db.execute(
            sql`select count(*)::int as n from batch_items where status in ('queued', 'running')`,
          )
          most = Math.max(most, Number(rows[0]?.n))
          return { text: '' }
        },
        { maxOutstanding },
      ),
    ])
    await insertUsers(app.services.db, users)
    const { id } = await app.start('toy')
    const delivered = await app.deliver()

    const batch = await app.batch(id)
    expect(batch).toMatchObject({ status: 'completed', counts: { recorded: users, succeeded: users } })
    expect(most).toBeLessThanOrEqual(maxOutstanding)
    expect(most).toBeGreaterThan(maxOutstanding / 3)
    // Waiting for room costs no delivery: every page is one run, and so is every chunk after a page's first.
    const chunksBeyondFirst = Math.ceil(users / 4)
    const layer2 = delivered.filter(({ path }) => path.endsWith('paginate-users')).length
    expect(layer2).toBeLessThanOrEqual(2 * (batch.pages + chunksBeyondFirst))
  })

  test('holds while a batch that waits for room is paused and resumed', async () => {
    let worked = 0
    const app = rounds([
      toyWorkflow(
        () => {
          worked += 1
          return Promise.resolve({ text: '' })
        },
        { maxOutstanding: 10 },
      ),
    ])
    await insertUsers(app.services.db, 32)
    const { id } = await app.start('toy')
    for (const stopAfter of [2, 12, 22]) {
      await app.deliver({ until: () => worked >= stopAfter, concurrency: 1 })
      await app.call('POST', `/api/admin/batches/${id}/pause`)
      const before = worked
      await app.deliver()
      expect(worked).toBe(before)
      const { counts } = await app.batch(id)
      expect(counts.queued + counts.running).toBeLessThanOrEqual(10)
      await app.call('POST', `/api/admin/batches/${id}/resume`)
    }
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({
      status: 'completed',
      counts: { recorded: 32, succeeded: 32 },
    })
    expect(worked).toBe(32)
  })
})
