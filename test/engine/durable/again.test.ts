import { beforeEach, describe, expect, test } from 'vitest'
import { PermanentError } from '../../../src/errors.ts'
import { failStep, startOne, withUndo } from '../../support/durable.ts'
import { userId } from '../../support/population.ts'
import { oneUser, start } from './one-user.ts'
import { saga } from './saga.ts'

beforeEach(oneUser)

async function held(fails: boolean) {
  const acts: string[] = []
  const one = await start(async (_, { step, parallel, sleep, compensate }) => {
    const { card } = await parallel({
      card: async () => {
        acts.push('card')
        if (acts.length === 1) throw new PermanentError('declined')
        return 'paid'
      },
    })
    if (!card.ok) {
      compensate('other card', async () => void acts.push('refund'))
      await step('other card', async () => void acts.push('other card'))
    }
    await sleep('week', '7 days')
    if (fails) throw new PermanentError('no')
    return { text: card.ok ? 'card' : 'other card' }
  })
  await one.runUntilWaiting()
  await one.act('pause')
  await one.run()
  await one.act('resume')
  await one.run()
  return { one, acts }
}

describe('a branch of parallel that has failed for good', () => {
  test('is not done again when the item goes on after a pause', async () => {
    const { one, acts } = await held(false)
    expect(await one.item()).toMatchObject({ status: 'succeeded' })
    expect(acts).toEqual(['card', 'other card'])
  })

  test('nor is what was done instead forgotten when the item fails', async () => {
    const { one, acts } = await held(true)
    expect(await one.item()).toMatchObject({ status: 'failed' })
    expect(acts).toEqual(['card', 'other card', 'refund'])
  })

  test('is done again when an operator retries the item', async () => {
    const { one, acts } = await held(true)
    await one.act('retry', { all: true })
    await one.runUntilWaiting()
    expect(acts).toEqual(['card', 'other card', 'refund', 'card'])
  })
})

describe('a retry', () => {
  test('undoes first what could not be undone when the item failed, and then does everything anew', async () => {
    const { workflow, acts } = saga()
    let isStuck = true
    const stuck = withUndo(workflow, 'b', async () => {
      if (isStuck) throw new PermanentError('b is stuck')
      acts.push('undo b')
    })
    const one = await startOne(failStep(stuck, 'd', 1, new PermanentError('no')), userId(1))
    expect(await one.run()).toMatchObject({ status: 'failed', error: { name: 'UndoFailed' } })

    await one.act('retry', { all: true })
    expect(await one.run()).toMatchObject({ status: 'failed', error: { name: 'UndoFailed' } })
    expect((await one.item()).error?.message).toBe('no; then b could not be undone: b is stuck')

    isStuck = false
    acts.length = 0
    await one.act('retry', { all: true })
    expect(await one.run({ fate: () => 'twice' })).toMatchObject({ status: 'succeeded', error: null })
    expect(acts[0]).toBe('undo b')
    expect(acts.slice(1).toSorted()).toEqual(['a', 'b', 'c', 'd'])
  })

  test('that is cancelled while it undoes is cancelled', async () => {
    const { workflow, acts } = saga()
    const stuck = withUndo(workflow, 'b', async () => {
      if (await isFirst()) throw new PermanentError('b is stuck')
      acts.push('undo b')
    })
    let tries = 0
    async function isFirst() {
      tries += 1
      if (tries === 2) await one.act('cancel')
      return tries === 1
    }
    const one = await startOne(failStep(stuck, 'd', 1, new PermanentError('no')), userId(1))
    await one.run()
    await one.act('retry', { all: true })
    expect(await one.run()).toMatchObject({ status: 'cancelled' })
    expect(acts.filter((act) => act === 'd')).toEqual([])
  })

  test('waits anew for what came after a step that was undone', async () => {
    let fails = true
    const one = await start(async (_, { step, compensate, sleep }) => {
      await sleep('before', '7 days')
      compensate('charge', async () => undefined)
      await step('charge', async () => 'charged')
      await sleep('after', '7 days')
      await step('last', () => (fails ? Promise.reject(new PermanentError('no')) : Promise.resolve('x')))
      return { text: 'done' }
    })
    await one.run()
    fails = false
    await one.act('retry', { all: true })
    expect(await one.runUntilWaiting()).toMatchObject({ status: 'waiting', waitingFor: 'after' })
    expect(await one.run()).toMatchObject({ status: 'succeeded' })
  })
})
