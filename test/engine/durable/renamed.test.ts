import { beforeEach, describe, expect, test } from 'vitest'
import { PermanentError } from '../../../src/errors.ts'
import { rounds } from '../../support/rounds.ts'
import { durableToy } from '../../support/toy.ts'
import { oneUser, start, type Toy } from './one-user.ts'

beforeEach(oneUser)

/** A mail and what follows it; the acts that were done. */
function mailing() {
  const acts: string[] = []
  const handler =
    (mail: string, end: Toy): Toy =>
    async (item, tools) => {
      await tools.step(mail, async () => void acts.push('mail'))
      return await end(item, tools)
    }
  return { acts, handler }
}

const week: Toy = async (_, { sleep }) => {
  await sleep('week', '7 days')
  return { text: 'done' }
}
const beside: Toy = async (item, tools) => {
  await Promise.all([week(item, tools), tools.step('look', async () => 'x')])
  return { text: 'done' }
}
const nothing: Toy = () => Promise.resolve({ text: '' })
const withWeek =
  (mailed: Toy): Toy =>
  async (item, tools) => {
    await Promise.all([mailed(item, tools), week(item, tools)])
    return { text: 'done' }
  }
const said: unknown = expect.stringContaining('welcome was done, and the handler asks for greeting instead')

test.each([
  ['succeeded', 'run', 'HandlerChanged'],
  ['been cancelled whole', 'cancel', 'UndoFailed'],
] as const)(
  'an item whose handler ends before it comes to what was done has not %s',
  async (_, act, name) => {
    const acts: string[] = []
    const charging: Toy = async (item, tools) => {
      tools.compensate('charge', async () => void acts.push('refund'))
      await tools.step('charge', async () => void acts.push('charge'))
      return await week(item, tools)
    }
    const one = await start(charging)
    await one.runUntilWaiting()
    if (act === 'cancel') await one.act('cancel')
    await rounds([durableToy(async () => ({ text: 'early' }))]).deliver()
    expect(await one.item()).toMatchObject({ status: 'failed', error: { name } })
    expect(acts).toEqual(['charge'])
    await one.act('retry', { all: true })
    await one.run()
    expect(acts).toEqual(act === 'cancel' ? ['charge', 'refund'] : ['charge'])
    expect(await one.item()).toMatchObject({ status: act === 'cancel' ? 'cancelled' : 'succeeded' })
  },
)

test('a step that was put in front is named, and nothing is undone for it', async () => {
  const acts: string[] = []
  const charging =
    (isChecked: boolean): Toy =>
    async (item, tools) => {
      if (isChecked) await tools.step('fraud check', async () => void acts.push('check'))
      tools.compensate('charge', async () => void acts.push('refund'))
      await tools.step('charge', async () => void acts.push('charge'))
      return await week(item, tools)
    }
  const one = await start(charging(false))
  await one.runUntilWaiting()
  await rounds([durableToy(charging(true))]).deliver()
  expect(await one.item()).toMatchObject({
    status: 'failed',
    error: {
      name: 'HandlerChanged',
      message: expect.stringContaining('charge was done, and the handler asks for fraud check'),
    },
  })
  expect(acts).toEqual(['charge'])
  await one.act('retry', { all: true })
  expect(await one.run()).toMatchObject({ status: 'succeeded' })
  expect(acts).toEqual(['charge'])
})

test('a step that was a wait before is no failure that the handler could catch', async () => {
  const acts: string[] = []
  const charging =
    (kind: 'sleep' | 'step'): Toy =>
    async (_, { compensate, step, sleep }) => {
      compensate('charge', async () => void acts.push('refund'))
      await step('charge', async () => void acts.push('charge'))
      try {
        await (kind === 'sleep' ? sleep('nap', '7 days') : step('nap', async () => 1))
      } catch (error) {
        throw new PermanentError(`nap: ${String(error)}`)
      }
      return { text: 'done' }
    }
  const one = await start(charging('sleep'))
  await one.runUntilWaiting()
  await one.act('pause')
  await one.run()
  await one.act('resume')
  await rounds([durableToy(charging('step'))]).deliver()
  expect(await one.item()).toMatchObject({ status: 'failed', error: { name: 'HandlerChanged' } })
  expect(acts).toEqual(['charge'])
})

describe('a step that was renamed in place is not done a second time', () => {
  test.each<[string, Toy, (mailed: Toy) => Toy]>([
    ['by an item that waits', week, (mailed) => mailed],
    ['though another chain of steps goes on beside it', beside, (mailed) => mailed],
    ['beside a wait that is begun with it', nothing, withWeek],
  ])('%s', async (_, end, whole) => {
    const { acts, handler } = mailing()
    const one = await start(whole(handler('welcome', end)))
    await one.runUntilWaiting()
    await rounds([durableToy(whole(handler('greeting', end)))]).deliver()
    expect(await one.item()).toMatchObject({ status: 'failed', error: { message: said } })
    expect(acts).toEqual(['mail'])
  })

  test('by one that is tried again, which goes on when the handler has its old name', async () => {
    const { acts, handler } = mailing()
    const one = await start(handler('welcome', () => Promise.reject(new PermanentError('no'))))
    await one.run()
    const retry = async (workflow: Toy) => {
      await one.act('retry', { all: true })
      await rounds([durableToy(workflow)]).deliver()
      return await one.item()
    }
    expect(await retry(handler('greeting', week))).toMatchObject({
      status: 'failed',
      error: { message: said },
    })
    expect(await retry(handler('welcome', week))).toMatchObject({ status: 'succeeded' })
    expect(acts).toEqual(['mail'])
  })
})

test('a chain that computes something between two of its steps has forgotten neither', async () => {
  const acts: string[] = []
  const handler =
    (isNew: boolean): Toy =>
    async (item, { step, ...tools }) => {
      const act = (name: string) => step(name, async () => void acts.push(name))
      const slow = async () => {
        await act('a')
        await new Promise((resolve) => setTimeout(resolve, 30))
        await act('b')
      }
      const fast = async () => {
        await act('c')
        if (isNew) await act('inserted')
      }
      await Promise.all([slow(), fast()])
      return await week(item, { step, ...tools })
    }
  const one = await start(handler(false))
  await one.runUntilWaiting()
  await rounds([durableToy(handler(true))]).deliver()
  expect(await one.item()).toMatchObject({ status: 'succeeded' })
  expect(acts.toSorted()).toEqual(['a', 'b', 'c', 'inserted'])
})

test('a retry in which a step comes to something else may go another way, also in a later run', async () => {
  const acts: string[] = []
  let works = false
  const one = await start(async (item, tools) => {
    const { first } = await tools.parallel({
      first: async () => {
        if (!works) throw new PermanentError('not now')
      },
    })
    const end = first.ok ? 'thanks' : 'sorry'
    await tools.step(end, async () => void acts.push(end))
    if (!first.ok) throw new PermanentError('so it is')
    await week(item, tools)
    await tools.step('last', async () => void acts.push('last'))
    return { text: 'done' }
  })
  await one.run()
  works = true
  await one.act('retry', { all: true })
  await one.runUntilWaiting()
  await one.act('pause')
  await one.run()
  await one.act('resume')
  expect(await one.run()).toMatchObject({ status: 'succeeded' })
  expect(acts).toEqual(['sorry', 'thanks', 'last'])
})

const old: Toy = async (_, { step }) => ({
  text: await step('old', () => Promise.reject(new Error('500')), { retries: 0 }),
})
const current: Toy = async (_, { step }) => ({ text: await step('new', async () => 'v2') })

test('a retry takes the new version of a handler of which nothing stands', async () => {
  const one = await start(old)
  expect(await one.run()).toMatchObject({ status: 'failed', handler: 1 })
  await one.act('retry', { all: true, confirm: true })
  await rounds([durableToy({ 1: old, 2: current })]).deliver()
  expect(await one.item()).toMatchObject({ status: 'succeeded', handler: 2 })
})
