import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { batches } from '../../src/db/schema.ts'
import { insertUsers, userId } from '../support/population.ts'
import { local, resetEverything, rounds } from '../support/rounds.ts'
import { addUser } from '../workflows/records.ts'
import { planned, runBatch } from '../workflows/runs.ts'
import { pastBatch } from './batches.ts'

beforeEach(resetEverything)

const listSchema = z.object({
  data: z.array(z.looseObject({ id: z.string() })),
  nextCursor: z.string().nullable(),
})

/** Follows the cursors to the end. */
async function pagesOf(app: ReturnType<typeof rounds>, path: string) {
  const pages: string[][] = []
  let cursor: string | null = null
  do {
    const after: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const list = listSchema.parse((await app.call('GET', path + after)).body)
    pages.push(list.data.map(({ id }) => id))
    cursor = list.nextCursor
  } while (cursor !== null)
  return pages
}

const list = async (app: ReturnType<typeof rounds>, path: string) =>
  listSchema.parse((await app.call('GET', path)).body)

const ids = (numbers: number[]) => numbers.map((n) => pastBatch(n).id)

describe('the workflows', () => {
  test('are listed with their schedule and the routes and limits of their layers', async () => {
    const { status, body } = await rounds().call('GET', '/api/admin/workflows')
    expect(status).toBe(200)
    expect(body).toMatchObject({
      data: [
        {
          name: 'welcome-placeholder',
          schedule: '0 3 * * *',
          freshFor: '30 days',
          pageSize: 50,
          chunkSize: 20,
          layers: {
            process: {
              path: '/api/workflows/welcome-placeholder/process-users',
              flowControl: { parallelism: 1, rate: 1 },
            },
            paginate: {
              path: '/api/workflows/welcome-placeholder/paginate-users',
              flowControl: { parallelism: 20, rate: 5 },
            },
            execute: {
              path: '/api/workflows/welcome-placeholder/generate-user',
              flowControl: { parallelism: 10, rate: 5 },
              retries: 3,
            },
          },
        },
        {
          name: 'agent-welcome',
          schedule: '30 3 * * *',
          entity: { one: 'agent', many: 'agents' },
          durable: false,
        },
        { name: 'trial-lifecycle', durable: true, completion: 'started', replaySafe: false, uses: ['mail'] },
        { name: 'agent-review', durable: true, completion: 'started' },
        { name: 'plan-upgrade', durable: true, completion: 'ended' },
      ],
    })
  })
})

describe('the batches', () => {
  test('come latest first, page by page, without a gap or a repetition', async () => {
    const app = rounds()
    const rows = Array.from({ length: 7 }, (_, n) => pastBatch(n))
    await app.services.db.insert(batches).values(rows)
    const latestFirst = rows.map(({ id }) => id).toReversed()
    for (const limit of [1, 2, 3, 6, 7, 8]) {
      const pages = await pagesOf(app, `/api/admin/batches?limit=${limit}`)
      expect(pages.flat()).toEqual(latestFirst)
      expect(pages).toHaveLength(Math.ceil(7 / limit))
    }
  })

  test('that start while someone pages through the list change nothing of the pages to come', async () => {
    const app = rounds()
    await app.services.db.insert(batches).values([1, 2, 3, 4].map((n) => pastBatch(n)))
    const first = await list(app, '/api/admin/batches?limit=2')
    await app.services.db.insert(batches).values(pastBatch(5))
    const second = await list(app, `/api/admin/batches?limit=2&cursor=${first.nextCursor}`)
    expect([...first.data, ...second.data].map(({ id }) => id)).toEqual(
      [4, 3, 2, 1].map((n) => pastBatch(n).id),
    )
  })

  test('can be filtered by workflow and status, also across pages', async () => {
    const app = rounds()
    const rows = Array.from({ length: 12 }, (_, n) =>
      pastBatch(n, {
        workflow: n % 2 === 0 ? 'agent-welcome' : 'welcome-placeholder',
        status: n % 3 === 0 ? 'failed' : 'completed',
      }),
    )
    await app.services.db.insert(batches).values(rows)
    const path = '/api/admin/batches?limit=2'
    expect((await pagesOf(app, `${path}&workflow=agent-welcome`)).flat()).toEqual(ids([10, 8, 6, 4, 2, 0]))
    expect((await pagesOf(app, `${path}&status=failed`)).flat()).toEqual(ids([9, 6, 3, 0]))
    const both = await pagesOf(app, `${path}&status=completed&workflow=agent-welcome`)
    expect(both.flat()).toEqual(ids([10, 8, 4, 2]))
    expect(await list(app, `${path}&status=paused`)).toEqual({ data: [], nextCursor: null })
    expect(await list(app, `${path}&workflow=nobody`)).toEqual({ data: [], nextCursor: null })
  })
})

describe('the plans', () => {
  test('are listed latest first, page by page, with what they counted and for which params', async () => {
    const app = rounds()
    await addUser(app.services.db, 'ada')
    const first = await planned(app, 'welcome-placeholder', { limit: 3 })
    const second = await planned(app, 'agent-welcome')
    const third = await planned(app, 'welcome-placeholder', { params: { paidOnly: true }, force: true })

    const pages = await pagesOf(app, '/api/admin/plans?limit=2')
    expect(pages).toEqual([[third.planId, second.planId], [first.planId]])
    const { data } = await list(app, '/api/admin/plans?workflow=welcome-placeholder')
    expect(data).toMatchObject([
      { id: third.planId, params: { paidOnly: true }, force: true, limit: null, totalEligible: 0 },
      {
        id: first.planId,
        params: { paidOnly: false },
        force: false,
        limit: 3,
        totalEligible: 1,
        sample: ['ada'],
      },
    ])
  })
})

describe('the items of a batch', () => {
  test('come by id, page by page, and can be filtered by status', async () => {
    const app = rounds()
    await insertUsers(app.services.db, 25)
    await local('model', 'faults', {
      rules: [
        { match: 'topic 1"', status: 400 },
        { match: 'topic 20"', status: 400 },
      ],
    })
    const { id, counts } = await runBatch(app, 'welcome-placeholder')
    expect(counts).toMatchObject({ recorded: 25, succeeded: 23, failed: 2 })

    const everyone = Array.from({ length: 25 }, (_, n) => userId(n + 1))
    const failed = [userId(1), userId(20)]
    const path = `/api/admin/batches/${id}/items?limit=4`
    expect((await pagesOf(app, path)).flat()).toEqual(everyone)
    expect((await pagesOf(app, `${path}&status=failed`)).flat()).toEqual(failed)
    expect((await pagesOf(app, `${path}&status=succeeded`)).flat()).toEqual(
      everyone.filter((one) => !failed.includes(one)),
    )
    expect(await list(app, `${path}&status=queued`)).toEqual({ data: [], nextCursor: null })
  })

  test('have ids of any kind, also where they are a cursor', async () => {
    const app = rounds()
    const ids = ['a b', 'a/b', 'a&status=failed', 'ä', 'é%20', '用户', '🦊', 'z+z', '#1', "o'hara", 'x"y\\z']
    for (const id of ids) await addUser(app.services.db, id)
    const batch = await runBatch(app, 'welcome-placeholder')
    const listed = (await pagesOf(app, `/api/admin/batches/${batch.id}/items?limit=1`)).flat()
    expect(listed.toSorted()).toEqual(ids.toSorted())
  })
})
