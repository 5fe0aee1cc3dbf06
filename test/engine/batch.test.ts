import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { skip } from '../../src/workflows/contract.ts'
import { insertUsers, userId } from '../support/population.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { toyWorkflow } from '../support/toy.ts'

beforeEach(resetEverything)

/** A deployment whose work notes whom it worked on. */
async function toyRounds(users: number, options: Parameters<typeof toyWorkflow>[1] = {}) {
  const worked: string[] = []
  const app = rounds([
    toyWorkflow((_, id) => {
      worked.push(id)
      return Promise.resolve({ text: `for ${id}` })
    }, options),
  ])
  await insertUsers(app.services.db, users)
  const run = async (body: unknown = {}) => {
    const { id } = await app.start('toy', body)
    await app.deliver()
    return await app.batch(id)
  }
  return { ...app, worked, run }
}

describe('a batch', () => {
  test('works on every item once and completes', async () => {
    const { run, worked } = await toyRounds(24)
    const batch = await run()
    expect(batch).toMatchObject({ status: 'completed', pages: 3 })
    expect(batch.plan).toMatchObject({ totalEligible: 24, alreadyProcessed: 0, held: 0, toProcess: 24 })
    expect(batch.counts).toMatchObject({ recorded: 24, succeeded: 24, failed: 0, queued: 0, running: 0 })
    expect(worked.toSorted()).toEqual(Array.from({ length: 24 }, (_, n) => userId(n + 1)))
  })

  test('costs two deliveries an item, and two a page, chunk and batch', async () => {
    const { deliver, start } = await toyRounds(20)
    await start('toy')
    const delivered = await deliver()
    const count = (segment: string) => delivered.filter(({ path }) => path.endsWith(segment)).length
    expect(count('process-users')).toBe(2)
    expect(count('execute-user')).toBe(40)
    // Two pages of 10; each triggers its first 4 itself and hands 4 and 2 to two runs more.
    expect(count('paginate-users')).toBe(2 * (1 + 2) * 2)
    expect(delivered.every(({ status }) => status === 200)).toBe(true)
  })

  test.each([
    ['no one', 0, 0],
    ['one', 1, 1],
    ['exactly a page', 10, 1],
    ['one more than a page', 11, 2],
  ])('of %s ends with as many pages as are needed', async (_, users, pages) => {
    const { run } = await toyRounds(users)
    const batch = await run()
    expect(batch).toMatchObject({ status: 'completed', pages })
    expect(batch.counts).toMatchObject({ recorded: users, succeeded: users })
  })

  test('answers each layer as documented', async () => {
    const { start, deliver, services } = await toyRounds(12)
    await start('toy')
    const results = new Map<string, unknown>()
    await deliver({ concurrency: 1 })
    const runs = await fetch(`${services.env.QSTASH_URL}/v2/workflows/logs?count=200`, {
      headers: { authorization: `Bearer ${services.env.QSTASH_TOKEN}` },
    }).then((response) => response.json<{ runs: { workflowUrl: string; workflowRunResponse: string }[] }>())
    for (const run of runs.runs)
      results.set(run.workflowUrl.split('/').at(-1) ?? '', JSON.parse(run.workflowRunResponse))
    expect(results.get('process-users')).toMatchObject({
      success: true,
      totalEligible: 12,
      toProcess: 12,
      alreadyProcessed: 0,
      message: 'batch is running',
    })
    expect(results.get('paginate-users')).toMatchObject({
      success: true,
      processedItems: expect.any(Number),
      skippedItems: 0,
    })
    expect(results.get('execute-user')).toMatchObject({ success: true, itemId: expect.any(String) })
  })

  test('leaves alone who has a fresh result, and says so', async () => {
    const { run, worked } = await toyRounds(12)
    await run()
    const again = await run()
    expect(again).toMatchObject({ status: 'completed', pages: 0 })
    expect(again.plan).toMatchObject({ totalEligible: 12, alreadyProcessed: 12, toProcess: 0 })
    expect(worked.length).toBe(12)
  })

  test('works again on an item whose input changed', async () => {
    const { run, worked, services } = await toyRounds(5)
    await run()
    await services.db.execute(sql`update users set interests = '["chess"]' where id = ${userId(3)}`)
    const again = await run()
    expect(again.plan).toMatchObject({ alreadyProcessed: 4, toProcess: 1 })
    expect(worked.slice(5)).toEqual([userId(3)])
  })

  test('works again on an item whose result has expired', async () => {
    const { run, worked, services } = await toyRounds(5, { freshFor: '1 hour' })
    await run()
    await services.db.execute(
      sql`update results set expires_at = now() - interval '1 second' where item_id = ${userId(2)}`,
    )
    await run()
    expect(worked.slice(5)).toEqual([userId(2)])
  })

  test('with force ignores existing results', async () => {
    const { run, worked } = await toyRounds(12)
    await run()
    const forced = await run({ force: true })
    expect(forced.plan).toMatchObject({ totalEligible: 12, alreadyProcessed: 12, toProcess: 12 })
    expect(forced.counts).toMatchObject({ recorded: 12, succeeded: 12 })
    expect(worked.length).toBe(24)
  })

  test.each([1, 9, 10, 11, 15])(
    'with limit %i does exactly that many, and the next one the rest',
    async (limit) => {
      const { run, worked } = await toyRounds(24)
      const batch = await run({ limit })
      expect(batch.plan?.toProcess).toBe(limit)
      expect(batch.status).toBe('completed')
      expect(batch.counts).toMatchObject({ recorded: limit, succeeded: limit })
      await run()
      expect(new Set(worked).size).toBe(24)
      expect(worked.length).toBe(24)
    },
  )

  test('pages through ids that are numbers in the order of numbers', async () => {
    const { run, worked } = await toyRounds(0, {
      population: ({ db }) =>
        db
          .select({ id: sql<number>`n`.as('id'), version: sql<string>`'1'`.as('version') })
          .from(sql`generate_series(1, 24) as n`),
    })
    const batch = await run()
    expect(batch).toMatchObject({ status: 'completed', pages: 3, counts: { recorded: 24, succeeded: 24 } })
    expect(new Set(worked).size).toBe(24)
    expect((await run()).plan).toMatchObject({ alreadyProcessed: 24, toProcess: 0 })
  })

  test('passes its params on to the work', async () => {
    const tags: string[] = []
    const app = rounds([
      toyWorkflow(({ params }) => {
        tags.push(params.tag)
        return Promise.resolve({ text: params.tag })
      }),
    ])
    await insertUsers(app.services.db, 3)
    await app.start('toy', { params: { tag: 'spring' } })
    await app.deliver()
    expect(tags).toEqual(['spring', 'spring', 'spring'])
  })

  test('keeps the results of different scopes apart', async () => {
    const { run } = await toyRounds(4, { scope: ({ tag }) => tag })
    await run({ params: { tag: 'spring' } })
    const autumn = await run({ params: { tag: 'autumn' } })
    expect(autumn.counts.succeeded).toBe(4)
    const springAgain = await run({ params: { tag: 'spring' } })
    expect(springAgain.plan).toMatchObject({ alreadyProcessed: 4, toProcess: 0 })
  })

  test('records why an item needed nothing', async () => {
    const app = rounds([
      toyWorkflow((_, id) => Promise.resolve(id === userId(2) ? skip('left') : { text: '' })),
    ])
    await insertUsers(app.services.db, 3)
    const { id } = await app.start('toy')
    await app.deliver()
    expect((await app.batch(id)).counts).toMatchObject({ recorded: 3, succeeded: 2, skipped: 1 })
    const { body } = await app.call('GET', `/api/admin/batches/${id}/items?status=skipped`)
    expect(body).toMatchObject({ data: [{ id: userId(2), error: { message: 'left' } }] })
  })

  test('counts as passed over the rows that need no work', async () => {
    const { run, worked, services } = await toyRounds(12)
    await run({ limit: 6 })
    await services.db.execute(sql`delete from results where item_id = ${userId(3)}`)
    const batch = await run()
    expect(batch.counts.recorded).toBe(7)
    const { rows } = await services.db.execute(
      sql`select sum(skipped)::int as skipped from batch_pages where batch_id = ${batch.id}::uuid`,
    )
    expect(rows).toEqual([{ skipped: 5 }])
    expect(worked.length).toBe(13)
  })
})
