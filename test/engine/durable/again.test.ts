import { beforeEach, describe, expect, test } from 'vitest'
import { PermanentError } from '../../../src/errors.ts'
import { droppedHandlers, handlersInUse } from '../../../src/engine/ledger/handlers-in-use.ts'
import { failStep, startOne, withUndo } from '../../support/durable.ts'
import { rounds } from '../../support/rounds.ts'
import { durableToy } from '../../support/toy.ts'
import { userId } from '../../support/population.ts'
import { oneUser, start, type Toy } from './one-user.ts'
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

const v2: Toy = async (_, { step }) => ({ text: await step('pay', async () => 'v2') })

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

  test('finishes an undo with the version of the handler that knows it', async () => {
    const acts: string[] = []
    let stuck = true
    const v1: Toy = async (_, { step, compensate }) => {
      compensate('charge', async () => {
        if (stuck) throw new PermanentError('stuck')
        acts.push('refund')
      })
      await step(
        'charge',
        async () => {
          acts.push('charge')
          throw new Error('lost')
        },
        { retries: 0 },
      )
      return { text: 'v1' }
    }
    const one = await startOne(durableToy({ 1: v1 }), userId(1))
    expect(await one.run()).toMatchObject({ status: 'failed', error: { name: 'UndoFailed' } })
    const both = durableToy({ 1: v1, 2: v2 })
    const inUse = await handlersInUse(one.services.db)
    const after = rounds([both])
    stuck = false
    await after.call('POST', `/api/admin/batches/${one.batchId}/retry`, { all: true })
    await after.deliver()
    const item = await one.item()
    expect({
      acts,
      inUse: droppedHandlers(inUse, [durableToy({ 2: v2 })]).length,
      handler: item.handler,
    }).toEqual({ acts: ['charge', 'refund', 'charge', 'refund'], inUse: 1, handler: 1 })
  })
})
