import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { PermanentError } from '../../../src/errors.ts'
import { skip } from '../../../src/workflows/contract.ts'
import { oneUser, start, type Toy } from './one-user.ts'

beforeEach(oneUser)

/** Pays with one card, and with another one when that fails. */
const twoCards =
  (acts: string[], declined: Error, end: Toy): Toy =>
  async (item, tools) => {
    tools.compensate('first card', async () => void acts.push('undo first'), {
      retries: 1,
      backoff: '1 second',
    })
    const { 'first card': first } = await tools.parallel(
      {
        'first card': async () => {
          acts.push('first')
          throw declined
        },
      },
      { retries: 0 },
    )
    if (first.ok) return { text: 'never' }
    tools.compensate('second card', async () => void acts.push('undo second'))
    await tools.step('second card', async () => void acts.push('second'))
    return await end(item, tools)
  }

const lost = new Error('the answer was lost')
const textOf = z.string()
const paid: Toy = () => Promise.resolve({ text: 'paid' })
const slept: Toy = async (_, { sleep }) => {
  await sleep('week', '7 days')
  return { text: 'paid' }
}

describe('a step that has failed, and that the handler goes on without', () => {
  test.each<[string, Error, string[]]>([
    ['is undone first, when it may have been done', lost, ['first', 'undo first', 'second']],
    [
      'is not undone when it is certain that it was not done',
      new PermanentError('declined'),
      ['first', 'second'],
    ],
  ])('%s', async (_, error, expected) => {
    const acts: string[] = []
    const one = await start(twoCards(acts, error, paid))
    expect(await one.run({ fate: () => 'twice' })).toMatchObject({ status: 'succeeded' })
    expect(acts).toEqual(expected)
  })

  test('is undone though the item is skipped then', async () => {
    const acts: string[] = []
    const one = await start(twoCards(acts, lost, () => Promise.resolve(skip('enough'))))
    expect(await one.run()).toMatchObject({ status: 'skipped' })
    expect(acts).toEqual(['first', 'undo first', 'second'])
  })

  test('stays failed and undone in a later run, also in one that follows a death', async () => {
    const acts: string[] = []
    const one = await start(twoCards(acts, lost, slept))
    await one.runUntilWaiting()
    await one.act('pause')
    await one.run()
    await one.act('resume')
    expect(await one.run()).toMatchObject({ status: 'succeeded' })
    expect(acts).toEqual(['first', 'undo first', 'second'])
  })

  test('is undone by a later run when the Worker dies while it is undone', async () => {
    const acts: string[] = []
    let dies = true
    const one = await start(async (item, tools) => {
      const mortal = {
        ...tools,
        compensate: (...[name, undo, options]: Parameters<typeof tools.compensate>) =>
          tools.compensate(
            name,
            async (services, result) => {
              if (dies) {
                dies = false
                await services.db.execute(
                  sql`update item_steps set lease_until = now() - interval '1 second'`,
                )
                throw new Error('nobody hears of this')
              }
              await undo(services, result)
            },
            options,
          ),
      }
      return await twoCards(acts, lost, paid)(item, mortal)
    })
    expect(await one.run()).toMatchObject({ status: 'succeeded' })
    expect(acts).toEqual(['first', 'undo first', 'second'])
  })

  test('fails its item when it cannot be undone, which is undone whole by a retry', async () => {
    const acts: string[] = []
    let isStuck = true
    const one = await start(async (item, tools) => {
      const stuck = {
        ...tools,
        compensate: (...[name, undo, options]: Parameters<typeof tools.compensate>) =>
          tools.compensate(
            name,
            (services, result) =>
              isStuck ? Promise.reject(new PermanentError('stuck')) : undo(services, result),
            options,
          ),
      }
      return await twoCards(acts, lost, paid)(item, stuck)
    })
    expect(await one.run()).toMatchObject({
      status: 'failed',
      error: {
        name: 'UndoFailed',
        message: expect.stringContaining('first card could not be undone: stuck'),
      },
    })
    expect(acts).toEqual(['first'])
    isStuck = false
    await one.act('retry', { all: true })
    expect(await one.run()).toMatchObject({ status: 'succeeded' })
    expect(acts).toEqual(['first', 'undo first', 'first', 'undo first', 'second'])
  })

  test('takes no event with it that was given meanwhile', async () => {
    const acts: string[] = []
    const one = await start(
      twoCards(acts, lost, async (_, { waitForEvent }) => ({
        text: String(await waitForEvent('word', { data: textOf, timeout: '14 days' })),
      })),
    )
    await one.deliver({ until: () => acts.length === 1, concurrency: 1 })
    await one.give('word', 'here')
    expect(await one.run({ longestSkipMs: 900_000 })).toMatchObject({ status: 'succeeded' })
  })
})
