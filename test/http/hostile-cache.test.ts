import * as fc from 'fast-check'
import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { isStorable } from '../../src/db/json.ts'
import { agents, results } from '../../src/db/schema.ts'
import { hostileBody, hostileJson, hostileText, isPolluted, tries } from '../support/hostile.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { addAgent } from '../workflows/records.ts'
import { planned, runBatch } from '../workflows/runs.ts'
import { expectDocumented, operations } from './document.ts'
import { readers, type ReaderCase } from './readers.ts'
import { redis } from './redis.ts'

beforeEach(resetEverything)

type Rounds = ReturnType<typeof rounds>

const times = fc.oneof(
  fc
    .date({ noInvalidDate: true, min: new Date(0), max: new Date('2100-01-01') })
    .map((date) => date.toISOString()),
  fc.constantFrom('2999-01-01', '9999-12-31T23:59:59Z', '+012026-01-01T00:00:00.000Z', 'infinity', 'now'),
  hostileJson,
)

/** Data that a workflow may have made, and data that nobody has. */
const dataOf = ({ other }: ReaderCase): fc.Arbitrary<unknown> =>
  fc.oneof(
    fc.constant(other),
    fc.dictionary(hostileText, hostileJson, { maxKeys: 2 }).map((more) => Object.assign(more, other)),
    fc.record(Object.fromEntries(Object.keys(other).map((name) => [name, hostileJson]))),
    hostileJson,
  )

/** What the cache may hold of an item: an entry with fields of any kind, or anything. */
const entries = (reader: ReaderCase): fc.Arbitrary<string> => {
  const entry = fc.record({
    version: fc.oneof(fc.string(), hostileJson),
    data: dataOf(reader),
    model: fc.oneof(fc.constant('local-model'), hostileJson),
    usage: fc.oneof(fc.constant({ inputTokens: 1, outputTokens: 2 }), hostileJson),
    generatedAt: times,
    expiresAt: fc.oneof(fc.constant(null), times),
  })
  return fc.oneof(
    { weight: 4, arbitrary: entry.map((value) => JSON.stringify(value)) },
    { weight: 1, arbitrary: hostileBody },
  )
}

/** Checks that a reader gets what the document says and nothing beside it, and says whether it is an empty result. */
async function expectResult(app: Rounds, { path, empty }: ReaderCase): Promise<boolean> {
  const response = await app.worker(new Request(`https://rounds.test${path('ada')}`))
  const body = z.json().parse(await response.json())
  const operation = operations.find((candidate) => candidate.path.replace(/\{\w+\}/, 'ada') === path('ada'))
  if (operation === undefined) throw new Error(`no operation reads ${path('ada')}`)
  expect(response.status, JSON.stringify(body)).toBe(200)
  expectDocumented(operation, response, body)
  expect(isPolluted()).toBe(false)
  return JSON.stringify(body) === JSON.stringify(empty)
}

describe.each(readers)('a reader of $workflow', (reader) => {
  const { add, key, workflow } = reader

  test('gets a result of its own shape, or none, whatever the cache holds', async () => {
    const app = rounds()
    await add(app.services.db, 'ada')
    const seen = new Set<boolean>()
    const property = async (entry: string) => {
      await redis('SET', key('ada'), entry)
      seen.add(await expectResult(app, reader))
    }
    await fc.assert(fc.asyncProperty(entries(reader), property), tries(150))
    expect(seen.size).toBe(2)
  })

  test.for([
    ['RPUSH', 'a list'],
    ['SADD', 'a set'],
    ['HSET', 'field', 'of a hash'],
    ['ZADD', 1, 'a sorted set'],
  ] as const)('gets none where the cache holds what %s makes', async ([command, ...values]) => {
    const app = rounds()
    await add(app.services.db, 'ada')
    await redis(command, key('ada'), ...values)
    expect(await expectResult(app, reader)).toBe(true)
  })

  test('gets a result of its own shape, or none, whatever another program has stored', async () => {
    const app = rounds()
    await add(app.services.db, 'ada')
    const { id } = await runBatch(app, workflow)
    const storable = hostileText.map((text) => text.toWellFormed().replaceAll('\0', ''))
    const moments = fc.constantFrom('now()', "'infinity'", "'-infinity'", "'20260-01-01'", "'4713-01-01 BC'")
    const seen = new Set<boolean>()
    const property = async (data: unknown, text: string, generatedAt: string, expiresAt: string) => {
      await redis('DEL', key('ada'))
      await app.services.db.delete(results)
      await app.services.db.execute(sql`
        insert into results
          (workflow, scope, item_id, batch_id, version, data, model, input_tokens, output_tokens, generated_at, expires_at)
        values (${workflow}, '', 'ada', ${id}, ${text}, ${JSON.stringify(data)}::jsonb, ${text}, -1, 1,
          cast(${sql.raw(generatedAt)} as timestamptz), cast(${sql.raw(expiresAt)} as timestamptz))`)
      seen.add(await expectResult(app, reader))
      // What was read is cached by now.
      seen.add(await expectResult(app, reader))
    }
    const expiries = fc.oneof(fc.constant('null'), fc.constant("now() + interval '1 day'"), moments)
    await fc.assert(
      fc.asyncProperty(dataOf(reader).filter(isStorable), storable, moments, expiries, property),
      tries(60),
    )
    expect(seen.size).toBe(2)
  })
})

describe('agents whose lists another program has written', () => {
  const lists = fc.oneof(hostileJson, fc.array(hostileJson, { maxLength: 3 })).filter(isStorable)
  const [, reader] = readers

  test('are shown in the shape of a welcome, and do not keep a batch from anybody else', async () => {
    const app = rounds()
    await addAgent(app.services.db, 'ada')
    await addAgent(app.services.db, 'moss')
    const property = async (questions: unknown, tags: unknown) => {
      await app.services.db.execute(sql`
        update agents set opening_questions = ${JSON.stringify(questions)}::jsonb, tags = ${JSON.stringify(tags)}::jsonb
        where id = 'ada'`)
      if (reader !== undefined) await expectResult(app, reader)
      const plan = await planned(app, 'agent-welcome')
      expect(plan.sample).toContain('moss')
    }
    await fc.assert(fc.asyncProperty(lists, lists, property), tries(40))
    expect((await runBatch(app, 'agent-welcome')).counts.failed).toBe(0)
    expect(await app.services.db.select().from(agents)).toHaveLength(2)
  })
})
