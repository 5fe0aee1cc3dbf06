import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { users } from '../../../src/db/schema.ts'
import { PermanentError } from '../../../src/errors.ts'
import { defineWorkflow, type ItemTools } from '../../../src/workflows/contract.ts'
import { inputVersion } from '../../../src/workflows/input-version.ts'
import { startOne } from '../../support/durable.ts'
import { insertUsers, userId } from '../../support/population.ts'
import { resetEverything, rounds } from '../../support/rounds.ts'
import { durableToy } from '../../support/toy.ts'
import { oneUser, start, type Toy } from './one-user.ts'

beforeEach(oneUser)

const word = { data: z.string(), timeout: '14 days' } as const

/** Asks something, of which the handler hears only whether that has failed. */
async function asking({ parallel, compensate }: ItemTools, acts: string[], error: Error | undefined) {
  compensate('ask', async () => void acts.push('take back'))
  const ask = async () => {
    acts.push('ask')
    if (error !== undefined) throw error
  }
  await parallel({ ask }, { retries: 0 })
}

describe('a retry that asks anew', () => {
  test.each([
    ['was undone', undefined],
    ['the handler had gone on without', new Error('the answer was lost')],
  ])('does not take an answer that had come before its wait to a question that %s', async (_, error) => {
    const acts: string[] = []
    let isFirst = true
    const one = await start(async (__, tools) => {
      await asking(tools, acts, isFirst ? error : undefined)
      await tools.step('log', async () => 'x')
      await tools.step('end', async () => {
        if (!isFirst) return
        await one.give('word', 'old')
        throw new PermanentError('no')
      })
      return { text: String(await tools.waitForEvent('word', { ...word, answerTo: 'ask' })) }
    })
    expect(await one.run()).toMatchObject({ status: 'failed' })
    isFirst = false
    await one.act('retry', { all: true })
    expect(await one.runUntilWaiting()).toMatchObject({ status: 'waiting', waitingFor: 'word' })
    await one.give('word', 'new')
    expect(await one.run()).toMatchObject({ status: 'succeeded' })
    const { rows } = await one.services.db.execute(sql`select data from results`)
    expect(rows).toEqual([{ data: { text: 'new' } }])
    expect(acts).toEqual(['ask', 'take back', 'ask'])
  })

  test('takes what was given before it was ever asked', async () => {
    const one = await start(async (_, tools) => {
      await tools.step('before', async () => void (await one.give('word', 'early')))
      await asking(tools, [], undefined)
      return { text: String(await tools.waitForEvent('word', { ...word, answerTo: 'ask' })) }
    })
    expect(await one.run()).toMatchObject({ status: 'succeeded' })
  })
})

const waiting: Toy = async (_, tools) => {
  await tools.step('first', async () => 'x')
  await asking(tools, [], new Error('the answer was lost'))
  await tools.waitForEvent('word', { ...word, answerTo: 'ask' })
  await tools.sleep('week', '7 days')
  return { text: 'done' }
}

test('an item whose handler was changed keeps the answer when it goes on', async () => {
  const one = await start(waiting)
  await one.runUntilWaiting()
  await one.give('word', 'yes')
  expect(await one.runUntilWaiting()).toMatchObject({ waitingFor: 'week' })
  await rounds([
    durableToy(async (_, { step }) => ({ text: await step('other', async () => 'x') })),
  ]).deliver()
  expect(await one.item()).toMatchObject({ status: 'failed', error: { name: 'HandlerChanged' } })
  await one.act('retry', { all: true })
  expect(await one.run()).toMatchObject({ status: 'succeeded' })
})

test('the late end of what was invoked before is no answer to what is invoked anew', async () => {
  await resetEverything()
  await insertUsers(rounds([]).services.db, 3)
  let asked = userId(2)
  const toy = durableToy(async ({ id }, { sleep }) => {
    await sleep('long', id === userId(2) ? '20 hours' : '40 hours')
    return { text: id }
  })
  const own = defineWorkflow({
    name: 'caller',
    entity: { one: 'user', many: 'users' },
    params: z.object({}),
    scope: () => '',
    data: z.object({ heard: z.string() }),
    replaySafe: false,
    population: ({ db }) => db.select({ id: users.id, version: inputVersion(users.id) }).from(users),
    run: {
      1: async (_, tools) => {
        tools.compensate('choose', async () => undefined)
        const itemId = await tools.step('choose', async () => asked)
        tools.compensate('ask', async () => undefined)
        const heard = await tools.invoke('ask', {
          workflow: toy,
          itemId,
          params: { tag: '' },
          timeout: itemId === userId(2) ? '1 hour' : '30 days',
        })
        if (heard === null) throw new PermanentError('too late')
        return { heard: JSON.stringify(heard.data) }
      },
    },
  })
  const one = await startOne(own, userId(1), { others: [toy] })
  expect(await one.runUntilWaiting({ longestSkipMs: 2 * 3_600_000 })).toMatchObject({ status: 'failed' })
  asked = userId(3)
  await one.act('retry', { all: true, confirm: true })
  expect(await one.run()).toMatchObject({ status: 'succeeded' })
  const { rows } = await one.services.db.execute(sql`select data from results where workflow = 'caller'`)
  expect(rows).toEqual([{ data: { heard: JSON.stringify({ text: userId(3) }) } }])
  const { rows: invoked } = await one.services.db.execute(
    sql`select distinct invokers from batch_items where workflow = 'toy'`,
  )
  expect(invoked).toEqual([{ invokers: [] }])
})
