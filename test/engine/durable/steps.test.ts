import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { PermanentError } from '../../../src/errors.ts'

import { insertUsers } from '../../support/population.ts'
import { resetEverything, rounds } from '../../support/rounds.ts'
import { durableToy } from '../../support/toy.ts'

beforeEach(resetEverything)

type Run = Parameters<typeof durableToy>[0]

/** A batch over so many users with this handler, started and not delivered yet. */
async function begun(run: Run, users = 1, options: Parameters<typeof durableToy>[1] = {}) {
  const app = rounds([durableToy(run, options)])
  const { db } = app.services
  await insertUsers(db, users)
  const { id } = await app.start('toy')
  return {
    ...app,
    id,
    now: () => app.batch(id),
    item: async () => (await db.execute(sql`select * from batch_items`)).rows[0],
    steps: async () =>
      (
        await db.execute(
          sql`select name, kind, status, round, tries, result, uncertain from item_steps order by position`,
        )
      ).rows,
    result: async () => (await db.execute(sql`select data from results`)).rows[0]?.data,
  }
}

describe('the steps of a durable item', () => {
  test('are done in order, once, and their results are given on', async () => {
    const done: string[] = []
    const app = await begun(async ({ id }, { step }) => {
      const first = await step('first', async () => {
        done.push('first')
        return { id }
      })
      await step('second', async () => void done.push('second'))
      return { text: `for ${first.id}` }
    })
    await app.deliver()
    expect(await app.now()).toMatchObject({ status: 'completed', counts: { succeeded: 1 } })
    expect(done).toEqual(['first', 'second'])
    expect(await app.result()).toEqual({ text: 'for u000001' })
    expect(await app.steps()).toMatchObject([
      { name: 'first', status: 'done', tries: 1 },
      { name: 'second', status: 'done', result: null },
    ])
  })

  test('sleep for days', async () => {
    const app = await begun(async (_, { sleep, step }) => {
      await step('before', async () => 1)
      await sleep('a week', '7 days')
      return { text: 'rested' }
    }, 3)
    await app.deliver({ until: () => false, fate: () => 'normal' })
    expect(await app.now()).toMatchObject({ status: 'completed', counts: { succeeded: 3 } })
    expect(await app.steps()).toMatchObject([{}, {}, {}, {}, {}, {}])
  })

  test('are undone in reverse when one fails for good', async () => {
    const done: string[] = []
    const app = await begun(async (_, { step, compensate }) => {
      for (const name of ['a', 'b', 'c']) {
        compensate(
          name,
          async (_services, result) => void done.push(`undo ${name} ${JSON.stringify(result)}`),
        )
        await step(name, async () => {
          if (name === 'c') throw new PermanentError('no')
          done.push(name)
          return name
        })
      }
      return { text: 'never' }
    })
    await app.deliver()
    expect(await app.now()).toMatchObject({ status: 'completed', counts: { failed: 1 } })
    expect(done).toEqual(['a', 'b', 'undo b "b"', 'undo a "a"'])
    expect(await app.item()).toMatchObject({ error: { message: 'no', step: 'c' } })
    expect(await app.steps()).toMatchObject([
      { status: 'undone' },
      { status: 'undone' },
      { status: 'failed' },
    ])
  })

  test('may run in parallel, and one that fails leaves the others alone', async () => {
    const app = await begun(async (_, { parallel }) => {
      const { a, b } = await parallel({
        a: async () => 1,
        b: () => Promise.reject(new PermanentError('b is broken')),
      })
      return { text: JSON.stringify([a, b]) }
    })
    await app.deliver()
    expect(await app.result()).toEqual({
      text: JSON.stringify([
        { ok: true, value: 1 },
        { ok: false, error: { name: 'PermanentError', message: 'b is broken', step: 'b' } },
      ]),
    })
  })

  test('wait for an event, which may come before', async () => {
    const app = await begun(async (_, { waitForEvent, step, notify }) => {
      await step('before', async () => 1)
      await notify('tell myself', { workflow: 'toy', itemId: 'u000001', event: 'decision' }, 'yes')
      const decision = await waitForEvent('decision', { data: z.string(), timeout: '2 days' })
      return { text: decision ?? 'none' }
    })
    await app.deliver()
    expect(await app.result()).toEqual({ text: 'yes' })
  })

  test('wait for an event until its time is over', async () => {
    const app = await begun(async (_, { waitForEvent }) => {
      const decision = await waitForEvent('decision', { data: z.string(), timeout: '2 days' })
      return { text: decision ?? 'none' }
    })
    await app.deliver()
    expect(await app.result()).toEqual({ text: 'none' })
  })

  test('let QStash ask the model', async () => {
    const app = await begun(async (_, { call }) => {
      const answer = await call('ask', ({ ai }) =>
        ai.object({
          schema: z.object({ text: z.string() }),
          instructions: 'Answer with JSON {"text": string}.',
          prompt: 'Hello',
        }),
      )
      return answer
    })
    await app.deliver()
    expect(await app.result()).toHaveProperty('text')
    expect(await app.steps()).toMatchObject([{ name: 'ask', kind: 'call', status: 'done' }])
  })
})
