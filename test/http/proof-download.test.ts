import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { PermanentError } from '../../src/errors.ts'
import { local, resetEverything, rounds } from '../support/rounds.ts'
import { runToy } from '../support/started.ts'
import { open, parts } from '../support/streams.ts'
import { addUser } from '../workflows/records.ts'
import { runBatch } from '../workflows/runs.ts'
import { bearer } from './bearer.ts'
import { databaseRequests } from './following.ts'
import { insertBatch, insertItems } from './many-items.ts'

beforeEach(resetEverything)

type App = Pick<ReturnType<typeof rounds>, 'services' | 'worker' | 'call'>

const path = (id: string) => `/api/admin/batches/${id}/proof.ndjson`

const lineSchema = z.looseObject({ type: z.enum(['proof', 'item', 'end']) })
type Line = z.output<typeof lineSchema>

const parsed = (line: string): Line => lineSchema.parse(JSON.parse(line))

async function linesOf(response: Response): Promise<Line[]> {
  const lines: Line[] = []
  for await (const line of parts(response, '\n')) lines.push(parsed(line))
  return lines
}

const download = async (app: App, id: string) => await linesOf(await open(app, path(id)))

const manyItems = 20_000

/** A batch over so many items, of which every tenth failed. */
async function large() {
  const app = rounds()
  const { db } = app.services
  const id = await insertBatch(db, 1, manyItems, { exhausted: true })
  await insertItems(db, id, { count: manyItems * 0.9 })
  await insertItems(db, id, { count: manyItems * 0.1, from: manyItems * 0.9 + 1, status: 'failed' })
  return { ...app, id }
}

describe('the download of a proof', () => {
  test('is the proof, every item as the API shows it, by id, and an end', async () => {
    const { id, ...app } = await runToy(7, (_, user) =>
      user === 'u000003'
        ? Promise.reject(new PermanentError('no "text"\n'))
        : Promise.resolve({ text: user }),
    )
    const response = await open(app, path(id))
    expect(response.headers.get('content-type')).toBe('application/x-ndjson')
    expect(response.headers.get('content-disposition')).toBe(`attachment; filename="batch-${id}.ndjson"`)
    const [first, ...rest] = await linesOf(response)
    const proof = z.record(z.string(), z.json()).parse((await app.call('GET', path(id).slice(0, -7))).body)
    expect({ ...first, takenAt: '' }).toEqual({ type: 'proof', ...proof, takenAt: '' })
    const items = await app.call('GET', `/api/admin/batches/${id}/items`)
    const { data } = z.object({ data: z.array(z.record(z.string(), z.json())) }).parse(items.body)
    expect(data).toHaveLength(7)
    expect(rest.pop()).toEqual({ type: 'end', items: 7 })
    expect(rest).toEqual(data.map((item) => Object.assign(item, { type: 'item' })))
  })

  test('has no items when nobody needed work', async () => {
    const { id, ...app } = await runToy(0, () => Promise.reject(new Error('nobody is there')))
    expect(await download(app, id)).toMatchObject([
      { type: 'proof', balanced: true },
      { type: 'end', items: 0 },
    ])
  })

  test('has a line for each id, whatever is in it', async () => {
    const app = rounds()
    const ids = ['a\nb', 'a\r\nb', 'a"b\\', 'ä', '用户', '🦊', ' ', '\u2028', '{"type":"end","items":9}']
    for (const id of ids) await addUser(app.services.db, id)
    const { id } = await runBatch(app, 'welcome-placeholder')
    const lines = await download(app, id)
    const items = lines.filter(({ type }) => type === 'item')
    expect(items.map((item) => String(item.id)).toSorted()).toEqual(ids.toSorted())
    expect(lines.at(-1)).toEqual({ type: 'end', items: ids.length })
  })

  test('is for viewers too', async () => {
    const { id, ...app } = await runToy(1, (_, user) => Promise.resolve({ text: user }))
    const response = await open(app, path(id), await bearer(rounds(), 'looker', 'viewer'))
    expect((await linesOf(response)).at(-1)).toEqual({ type: 'end', items: 1 })
  })
})

describe('of a large batch', () => {
  test('every item is there once, in order', async () => {
    const { id, ...app } = await large()
    let items = 0
    let failed = 0
    let last: Line | undefined
    let before = ''
    for await (const text of parts(await open(app, path(id)), '\n')) {
      last = parsed(text)
      if (last.type !== 'item') continue
      items += 1
      failed += Number(last.status === 'failed')
      expect(z.string().parse(last.id) > before).toBe(true)
      before = z.string().parse(last.id)
    }
    expect({ items, failed }).toEqual({ items: manyItems, failed: manyItems * 0.1 })
    expect(last).toEqual({ type: 'end', items: manyItems })
  })

  test('a page is only read when the one before was taken', async () => {
    const { id, ...app } = await large()
    const response = await open(app, path(id))
    const before = await databaseRequests()
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(await databaseRequests()).toBe(before)

    const asked: number[] = []
    let items = 0
    for await (const text of parts(response, '\n')) {
      items += Number(text.startsWith('{"type":"item"'))
      if (items > 0 && items % 2500 === 0) asked.push((await databaseRequests()) - before)
    }
    // The last look is at the end, after a page that was empty.
    expect(asked).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  test('nothing more is read once nobody wants it', async () => {
    const { id, ...app } = await large()
    const lines = parts(await open(app, path(id)), '\n')
    for (let n = 0; n < 3000; n += 1) await lines.next()
    await lines.return()
    const before = await databaseRequests()
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(await databaseRequests()).toBe(before)
  })

  test('a database that fails midway breaks it off, without an end', async () => {
    const { id, ...app } = await large()
    const lines: string[] = []
    const reading = (async () => {
      for await (const line of parts(await open(app, path(id)), '\n')) {
        lines.push(line)
        if (lines.length === 3000) await local('neon', 'faults', { failNext: 1 })
      }
    })()
    await expect(reading).rejects.toThrow()
    expect(lines.length).toBe(1 + 2 * 2500)
    expect(lines.filter((line) => parsed(line).type === 'end')).toEqual([])
  })

  test('a database that is down before it begins is an error like any other', async () => {
    const { id, ...app } = await large()
    await local('neon', 'faults', { down: true })
    expect(await app.call('GET', path(id))).toMatchObject({
      status: 503,
      body: { error: { code: 'unavailable' } },
    })
  })
})
