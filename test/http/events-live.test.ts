import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { batches } from '../../src/db/schema.ts'
import { insertUsers } from '../support/population.ts'
import { local, resetEverything, rounds } from '../support/rounds.ts'
import { started } from '../support/started.ts'
import { eventsOf, open } from '../support/streams.ts'
import { toyWorkflow } from '../support/toy.ts'
import { pastBatch, startedBatch } from './batches.ts'
import { databaseRequests, eventsPath, follow, following, idsOf, kinds } from './following.ts'

beforeEach(resetEverything)

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** A paused batch, to which nothing happens by itself. */
async function paused(limits: Parameters<typeof following>[1] = {}) {
  const app = rounds()
  const row = pastBatch(1, { status: 'paused' })
  await app.services.db.insert(batches).values(row)
  return { ...following(app, limits), id: row.id }
}

/** Logs so many changes of a batch. */
const logChanges = (app: Pick<ReturnType<typeof rounds>, 'services'>, id: string, count: number) =>
  app.services.db.execute(sql`
    insert into changes (actor, action, batch_id, after)
    select 'rounds', 'heal.item', ${id}::uuid, jsonb_build_object('n', n) from generate_series(1, ${count}::int) n`)

const isChange = ({ event }: { event?: string }) => event === 'change'

test('changes that are made while somebody watches arrive once each, in their order', async () => {
  const { id, act, deliver, ...rest } = await started(3)
  const app = following(rest, { pollMs: 5, reads: 10_000 })
  const watching = follow(app, id)
  await deliver({ concurrency: 1, until: () => rest.worked.length > 0 })
  for (let n = 0; n < 10; n += 1) {
    await act('pause')
    await act('resume')
  }
  await act('pause')
  await act('cancel')
  await deliver()
  const { rows } = await app.services.db.execute(sql`select id::text from changes order by changes.id`)
  expect(rows.length).toBeGreaterThan(20)
  expect(idsOf(await watching)).toEqual(rows.map((row) => row.id))
})

test('whoever connects again and again misses nothing and gets nothing twice', async () => {
  const app = await paused({ pollMs: 1, lifeMs: 30 })
  const writing = (async () => {
    for (let n = 0; n < 60; n += 1) await logChanges(app, app.id, 3)
  })()
  const ids: string[] = []
  for (let connection = 0; ids.length < 180 && connection < 300; connection += 1) {
    let some = 0
    const last = ids.at(-1)
    const events = await follow(app, app.id, {
      ...(last === undefined ? {} : { after: last }),
      until: (event) => isChange(event) && ++some > connection % 4,
    })
    ids.push(...idsOf(events))
  }
  await writing
  const { rows } = await app.services.db.execute(sql`select id::text from changes order by changes.id`)
  expect(ids).toEqual(rows.map((row) => row.id))
})

test('5,000 missed changes come in parts, each read only when the one before was taken', async () => {
  const app = await paused({ pollMs: 20_000 })
  await logChanges(app, app.id, 5000)
  const before = await databaseRequests()
  const seen = new Set<string>()
  for await (const { id } of eventsOf(await open(app, eventsPath(app.id)))) {
    if (id === undefined) continue
    seen.add(id)
    if (seen.size % 50 !== 0) continue
    const asked = (await databaseRequests()) - before
    expect(asked).toBe(Math.ceil(seen.size / 500))
    if (seen.size === 5000) break
  }
  expect(seen.size).toBe(5000)
})

describe('a connection', () => {
  test('has a comment when there is nothing new, and the batch only when that has changed', async () => {
    const app = await paused()
    const seen = { batch: 0, comment: 0 }
    const watching = follow(app, app.id, {
      until: ({ event, comment }) => {
        seen.batch += Number(event === 'batch')
        seen.comment += Number(comment !== undefined && seen.batch === 2)
        return seen.comment === 3
      },
    })
    await sleep(100)
    await app.services.db.execute(sql`update batches set reason = 'another'`)
    const events = kinds(await watching)
    expect(events.filter((kind) => kind !== 'comment')).toEqual(['retry 2000', 'paused', 'paused'])
    expect(events[2]).toBe('comment')
  })

  test('is closed after its time, and has not asked more often than it may', async () => {
    const app = await paused({ pollMs: 50, lifeMs: 400 })
    const before = await databaseRequests()
    const begun = Date.now()
    const events = kinds(await follow(app, app.id))
    expect(Date.now() - begun).toBeGreaterThanOrEqual(400)
    expect(Date.now() - begun).toBeLessThan(2000)
    // The first one at once, and then no two within 50 ms.
    expect((await databaseRequests()) - before).toBeLessThanOrEqual(9 + 1)
    expect(events).not.toContain('retry 60000')
  })

  test('is closed when it has asked as often as a Worker can', async () => {
    const app = await paused({ pollMs: 1, reads: 7 })
    const before = await databaseRequests()
    await follow(app, app.id)
    expect((await databaseRequests()) - before).toBe(7)
  })

  test('asks nothing more once nobody reads it', async () => {
    const app = await paused({ pollMs: 100 })
    const { body } = await open(app, eventsPath(app.id))
    const reader = body?.getReader()
    await reader?.read()
    await reader?.read()
    const waiting = reader?.read()
    const before = await databaseRequests()
    await reader?.cancel()
    await waiting
    await sleep(400)
    expect(await databaseRequests()).toBe(before)
  })

  test('asks nothing while nobody reads it', async () => {
    const app = await paused({ pollMs: 1 })
    const { body } = await open(app, eventsPath(app.id))
    const before = await databaseRequests()
    await sleep(200)
    expect(await databaseRequests()).toBe(before)
    await body?.cancel()
  })

  test('outlives a database that does not answer for a moment', async () => {
    const app = await paused()
    const watching = follow(app, app.id, { until: isChange })
    await sleep(60)
    await local('neon', 'faults', { down: true })
    await sleep(100)
    await local('neon', 'faults', {})
    await logChanges(app, app.id, 1)
    expect(kinds(await watching)).toContain('heal.item')
  })
})

test('a cancelled batch is followed until what had started has finished', async () => {
  const { promise: held, resolve: finish } = Promise.withResolvers<void>()
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
  const app = rounds([
    toyWorkflow(async () => {
      begin()
      await held
      return { text: '' }
    }),
  ])
  await insertUsers(app.services.db, 1)
  const { id } = await app.start('toy')
  const delivering = app.deliver()
  await begun
  await app.call('POST', `/api/admin/batches/${id}/cancel`)
  const watching = follow(following(app), id)
  await sleep(100)
  finish()
  await delivering
  const events = await watching
  const seen = events.filter(({ event }) => event === 'batch')
  expect(seen.map(({ data }) => data)).toMatchObject([
    { status: 'cancelled', counts: { running: 1 } },
    { status: 'cancelled', counts: { running: 0, succeeded: 1 } },
  ])
  expect(kinds(events).at(-1)).toBe('retry 60000')
})

test('a kill switch shows in the events of the batch that it stops', async () => {
  const app = rounds()
  const { id } = await startedBatch(app)
  const { promise: seen, resolve: see } = Promise.withResolvers<void>()
  const watching = follow(following(app), id, {
    until({ event, data }) {
      if (event === 'batch') see()
      return JSON.stringify(data ?? null).includes('"pausedBy":"kill_switch","startedBy"')
    },
  })
  await seen
  await app.call('PUT', '/api/admin/kill-switches/all', { on: true, reason: 'the model is wrong' })
  expect(kinds(await watching)).toEqual(expect.arrayContaining(['running', 'batch.pause', 'paused']))
})
