import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { batches } from '../../src/db/schema.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { runToy, started } from '../support/started.ts'
import { allEventsOf, open } from '../support/streams.ts'
import { pastBatch } from './batches.ts'
import { bearer } from './bearer.ts'
import { expectError, invalidRequest, notFound } from './error-shape.ts'
import { eventsPath, follow, idsOf, kinds } from './following.ts'

beforeEach(resetEverything)

type App = Pick<ReturnType<typeof rounds>, 'services'>

/** Every change of a batch, in order. */
async function changeIds({ services }: App, id: string): Promise<string[]> {
  const { rows } = await services.db.execute(
    sql`select id::text from changes where batch_id = ${id}::uuid order by changes.id`,
  )
  return rows.map((row) => z.object({ id: z.string() }).parse(row).id)
}

const ended = async () => await runToy(3, (_, id) => Promise.resolve({ text: id }))

describe('the events of a batch that has ended', () => {
  test('are the batch with its progress, then all of its changes; then the stream ends', async () => {
    const { id, ...app } = await ended()
    const response = await open(app, eventsPath(id))
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    expect(response.headers.get('cache-control')).toBe('no-store')

    const events = await allEventsOf(response)
    const order = ['retry 2000', 'completed', 'batch.start', 'batch.begin', 'batch.complete', 'retry 60000']
    expect(kinds(events)).toEqual(order)
    const batch = events.find(({ event }) => event === 'batch')
    expect(batch?.data).toEqual((await app.call('GET', `/api/admin/batches/${id}`)).body)
    expect(batch).not.toHaveProperty('id')
  })

  test('have the entries of the log of changes, under their ids', async () => {
    const { id, ...app } = await ended()
    const events = (await follow(app, id)).filter(({ event }) => event === 'change')
    const log = await app.call('GET', `/api/admin/changes?batchId=${id}`)
    const { data } = z.object({ data: z.array(z.json()) }).parse(log.body)
    expect(events.map((change) => change.data)).toEqual(data.toReversed())
    expect(idsOf(events)).toEqual(await changeIds(app, id))
  })

  test('go on after the last one that arrived, whichever that was, and then tell how the batch is', async () => {
    const { id, ...app } = await ended()
    const ids = await changeIds(app, id)
    for (const [n, after] of ['0', ...ids].entries()) {
      const events = await follow(app, id, { after })
      expect(idsOf(events)).toEqual(ids.slice(n))
      expect(kinds(events).slice(-2)).toEqual(['completed', 'retry 60000'])
      const asked = await open(app, `${eventsPath(id)}?lastEventId=${after}`)
      expect(await allEventsOf(asked)).toEqual(events)
    }
  })

  test('go on after the id in the header when the address still has an older one', async () => {
    const { id, ...app } = await ended()
    const [first = '', second = '', third = ''] = await changeIds(app, id)
    const asked = await open(app, `${eventsPath(id)}?lastEventId=${first}`, { 'last-event-id': second })
    expect(idsOf(await allEventsOf(asked))).toEqual([third])
  })

  test('do not have those of another batch', async () => {
    const { id, ...app } = await ended()
    const [, second = ''] = await changeIds(app, id)
    const other = pastBatch(1)
    await app.services.db.insert(batches).values(other)
    expect(kinds(await follow(app, other.id))).toEqual(['retry 2000', 'completed', 'retry 60000'])
    expect(kinds(await follow(app, other.id, { after: second }))).toEqual([
      'retry 2000',
      'completed',
      'retry 60000',
    ])
  })

  test.each(['completed', 'cancelled', 'failed', 'skipped'] as const)('%s end at once', async (status) => {
    const app = rounds()
    const row = pastBatch(1, { status })
    await app.services.db.insert(batches).values(row)
    expect(kinds(await follow(app, row.id))).toEqual(['retry 2000', status, 'retry 60000'])
  })
})

describe('following a batch', () => {
  test.each(['x', '-1', '1.5', '1e3', ' ', '9'.repeat(16), '1,2'])('after %j is refused', async (after) => {
    const { id, ...app } = await ended()
    const path = eventsPath(id)
    if (after.trim() !== '') {
      expectError(await app.call('GET', path, undefined, { 'last-event-id': after }), invalidRequest)
    }
    expectError(await app.call('GET', `${path}?lastEventId=${encodeURIComponent(after)}`), invalidRequest)
  })

  test('that is not there, or is no batch, is refused', async () => {
    const app = rounds()
    expectError(await app.call('GET', eventsPath('01a00000-0000-7000-8000-00000000dead')), notFound)
    expectError(await app.call('GET', eventsPath('7')), invalidRequest)
    expectError(await app.call('GET', `${eventsPath('7')}?nonsense=1`), invalidRequest)
  })

  test('is for viewers too', async () => {
    const { id, ...app } = await ended()
    const response = await open(app, eventsPath(id), await bearer(rounds(), 'looker', 'viewer'))
    expect(kinds(await allEventsOf(response))).toContain('batch.complete')
  })

  test('from its start to its end shows what happens in between, without a reload', async () => {
    const { id, act, deliver, worked, ...app } = await started(4)
    const watching = follow(app, id)
    await deliver({ concurrency: 1, until: () => worked.length > 0 })
    await act('pause')
    await act('resume')
    await deliver()
    const events = await watching
    expect(idsOf(events)).toEqual(await changeIds(app, id))
    expect(kinds(events)).toEqual(expect.arrayContaining(['starting', 'batch.pause', 'batch.resume']))
    expect(kinds(events).slice(-2)).toEqual(['completed', 'retry 60000'])
  })
})
