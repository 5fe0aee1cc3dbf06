import { beforeEach, describe, expect, test } from 'vitest'
import { PermanentError } from '../../src/errors.ts'
import { insertUsers, userId } from '../support/population.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { toyWorkflow } from '../support/toy.ts'
import { addUser } from '../workflows/records.ts'
import { failedBatch, groups } from './failed-batch.ts'

beforeEach(resetEverything)

describe('failures', () => {
  test('are one group also when their ids are words', async () => {
    const app = rounds([
      toyWorkflow((_, id) => {
        throw new PermanentError(`agent ${id} not found, said ${id}.`)
      }),
    ])
    for (const id of ['alice', 'bob', 'a']) await addUser(app.services.db, id)
    const { id } = await app.start('toy')
    await app.deliver()
    const answer = await app.call('GET', `/api/admin/batches/${id}/failures`)
    expect(groups.parse(answer.body).data).toMatchObject([{ count: 3, items: ['a', 'alice', 'bob'] }])
  })

  test('are two groups when what differs stands between apostrophes', async () => {
    const app = rounds([
      toyWorkflow((_, id) => {
        throw new PermanentError(
          id === 'a' ? "can't read the profile, it isn't there" : "can't store the answer, it isn't there",
        )
      }),
    ])
    for (const id of ['a', 'b']) await addUser(app.services.db, id)
    const { id } = await app.start('toy')
    await app.deliver()
    const answer = await app.call('GET', `/api/admin/batches/${id}/failures`)
    expect(groups.parse(answer.body)).toMatchObject({ data: [{ count: 1 }, { count: 1 }], more: false })
  })

  test('of more groups than are shown say so', async () => {
    const app = rounds([
      toyWorkflow((_, id) => {
        throw new PermanentError(`broke ${'x'.repeat(Number.parseInt(id.slice(-4), 16))}`)
      }),
    ])
    await insertUsers(app.services.db, 201)
    const { id } = await app.start('toy')
    await app.deliver()
    const { data, more } = groups.parse((await app.call('GET', `/api/admin/batches/${id}/failures`)).body)
    expect([data.length, more]).toEqual([200, true])
  })

  test('are grouped by error, whatever ids and numbers it names', async () => {
    const { failures } = await failedBatch(30)
    const found = await failures()
    expect(found).toMatchObject([
      {
        count: 8,
        retrying: 0,
        error: { name: 'PermanentError', message: expect.stringContaining('quota'), step: 'execute' },
        items: [3, 6, 9, 12, 18].map(userId),
      },
      {
        count: 6,
        error: { message: expect.stringContaining('disk') },
        items: [5, 10, 15, 20, 25].map(userId),
      },
    ])
    expect(new Set(found.map(({ fingerprint }) => fingerprint)).size).toBe(2)
    for (const { firstSeen, lastSeen } of found) {
      expect(Date.parse(firstSeen)).toBeLessThanOrEqual(Date.parse(lastSeen))
    }
  })

  test('are none in a batch without any, and a 404 of no batch', async () => {
    const { failures, call } = await failedBatch(2)
    expect(await failures()).toEqual([])
    expect((await call('GET', `/api/admin/batches/${crypto.randomUUID()}/failures`)).status).toBe(404)
  })
})
