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
const said =
  'welcome was done, and the handler does not come to it any more: a changed handler needs a new version'

describe('a step that was renamed in place is not done a second time', () => {
  test('by an item that waits', async () => {
    const { acts, handler } = mailing()
    const one = await start(handler('welcome', week))
    await one.runUntilWaiting()
    await rounds([durableToy(handler('greeting', week))]).deliver()
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

  test('though another chain of steps goes on beside it', async () => {
    const { acts, handler } = mailing()
    const one = await start(handler('welcome', beside))
    await one.runUntilWaiting()
    await rounds([durableToy(handler('greeting', beside))]).deliver()
    expect(await one.item()).toMatchObject({ status: 'failed', error: { message: said } })
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

test('a retry in which a step comes to something else may go another way', async () => {
  const acts: string[] = []
  let works = false
  const one = await start(async (_, { step, parallel }) => {
    const { first } = await parallel({
      first: async () => {
        if (!works) throw new PermanentError('not now')
      },
    })
    await step(first.ok ? 'thanks' : 'sorry', async () => void acts.push(first.ok ? 'thanks' : 'sorry'))
    if (!first.ok) throw new PermanentError('so it is')
    return { text: 'done' }
  })
  await one.run()
  works = true
  await one.act('retry', { all: true })
  expect(await one.run()).toMatchObject({ status: 'succeeded' })
  expect(acts).toEqual(['sorry', 'thanks'])
})
