import { beforeEach, describe, expect, test } from 'vitest'
import { PermanentError, RetryLaterError } from '../../../src/errors.ts'
import { reportFailure } from '../../../src/engine/report-failure.ts'
import { skip, type Skip } from '../../../src/workflows/contract.ts'
import { startOne } from '../../support/durable.ts'
import { userId } from '../../support/population.ts'
import { durableToy } from '../../support/toy.ts'
import { oneUser, start, type Toy } from './one-user.ts'

beforeEach(oneUser)

/** The undo of `a` asks once for patience, so that another run goes on with the undoing. */
function patient(acts: string[]) {
  let asked = false
  return async () => {
    if (!asked) {
      asked = true
      throw new RetryLaterError('busy', 60)
    }
    acts.push('undo a')
  }
}

type Ways = {
  undoA?: () => Promise<void>
  /** Beside the undo of `b`. */
  undoB?: () => Promise<unknown>
  answers?: () => boolean
  end?: (b: string | null) => { text: string } | Skip
}

/** A handler of the steps `a` and `b`, of which the last one is done without a word unless it `answers`. */
const twoSteps =
  (acts: string[], { undoA, undoB, answers = () => false, end = () => ({ text: 'done' }) }: Ways): Toy =>
  async (_, { step, compensate }) => {
    compensate('a', undoA ?? (async () => void acts.push('undo a')))
    await step('a', async () => void acts.push('a'))
    compensate('b', async () => {
      acts.push('undo b')
      await undoB?.()
    })
    const b = await step(
      'b',
      async () => {
        acts.push('b')
        if (!answers()) throw new Error('no answer')
        return 'b'
      },
      { retries: 0 },
    )
    return end(b)
  }

describe('an item whose undoing goes on in another run does not end as its handler says', () => {
  test('when it was cancelled in its last sleep, and an undo asks for patience', async () => {
    const acts: string[] = []
    const one = await start(async (_, { step, compensate, sleep }) => {
      compensate('a', patientUndo)
      await step('a', async () => void acts.push('a'))
      compensate('b', async () => void acts.push('undo b'))
      await step('b', async () => void acts.push('b'))
      await sleep('week', '7 days')
      return { text: 'done' }
    })
    const patientUndo = patient(acts)
    await one.runUntilWaiting()
    await one.act('cancel')
    const item = await one.run()
    expect({ status: item.status, acts }).toEqual({
      status: 'cancelled',
      acts: ['a', 'b', 'undo b', 'undo a'],
    })
  })

  test('when its last step may have been done, and an undo asks for patience', async () => {
    const acts: string[] = []
    const one = await start(twoSteps(acts, { undoA: patient(acts) }))
    const item = await one.run()
    expect({ status: item.status, acts }).toEqual({ status: 'failed', acts: ['a', 'b', 'undo b', 'undo a'] })
  })

  test('when the kill switch held it', async () => {
    const acts: string[] = []
    const turn = (on: boolean) => one.call('PUT', '/api/admin/kill-switches/toy', { on })
    const one = await start(twoSteps(acts, { undoB: () => turn(true) }))
    await one.run()
    await turn(false)
    await one.act('resume')
    const item = await one.run()
    expect({ status: item.status, acts }).toEqual({ status: 'failed', acts: ['a', 'b', 'undo b', 'undo a'] })
  })

  test.each([
    ['would end', () => ({ text: 'done' })],
    ['would skip', (b: string | null) => (b === null ? skip('the user is gone') : { text: 'done' })],
  ])('when a retry finishes it, and the handler %s', async (_, end) => {
    const acts: string[] = []
    let isStuck = true
    const undoA = async () => {
      if (isStuck) throw new PermanentError('stuck')
      acts.push('undo a')
    }
    const one = await start(twoSteps(acts, { undoA, answers: () => !isStuck, end }))
    expect(await one.run()).toMatchObject({ status: 'failed', error: { name: 'UndoFailed' } })
    isStuck = false
    await one.act('retry', { all: true })
    const item = await one.run()
    expect({ status: item.status, acts, statuses: await one.statuses() }).toEqual({
      status: 'succeeded',
      acts: ['a', 'b', 'undo b', 'undo a', 'a', 'b'],
      statuses: { a: 'done', b: 'done' },
    })
  })
})

test('what was paid otherwise is paid back by the retry when its refund failed', async () => {
  const acts: string[] = []
  let stuck = true
  const one = await start(async (_, { step, parallel, compensate }) => {
    compensate('card', async () => void acts.push('cancel card'))
    const { card } = await parallel(
      {
        card: async () => {
          if (!acts.includes('card?')) {
            acts.push('card?')
            throw new Error('the answer was lost')
          }
          acts.push('card')
          return 'paid'
        },
      },
      { retries: 0 },
    )
    if (!card.ok) {
      compensate('other', async () => {
        if (stuck) throw new PermanentError('stuck')
        acts.push('refund other')
      })
      await step('other', async () => void acts.push('other'))
      throw new PermanentError('no')
    }
    return { text: 'x' }
  })
  expect(await one.run()).toMatchObject({ status: 'failed', error: { name: 'UndoFailed' } })
  expect(acts).toEqual(['card?', 'cancel card', 'other'])
  stuck = false
  await one.act('retry', { all: true })
  const item = await one.run()
  expect({ status: item.status, acts, statuses: await one.statuses() }).toMatchObject({
    acts: ['card?', 'cancel card', 'other', 'refund other', 'card'],
  })
})

test('an item that has done everything, whose run dies then, has succeeded, whatever an earlier try had undone', async () => {
  const acts: string[] = []
  let works = false
  const workflow = durableToy(async (_, { step, parallel, compensate }) => {
    const { card } = await parallel({
      card: async () => {
        if (!works) throw new PermanentError('declined')
      },
    })
    if (!card.ok) {
      compensate('other', async () => void acts.push('refund'))
      await step('other', async () => void acts.push('other'))
      throw new PermanentError('no')
    }
    compensate('ship', async () => void acts.push('unship'))
    await step('ship', async () => void acts.push('ship'))
    return { text: 'done' }
  })
  const one = await startOne(workflow, userId(1))
  await one.run()
  works = true
  await one.act('retry', { all: true })
  await one.deliver({ until: () => acts.includes('ship'), concurrency: 1 })
  const { attempt } = await one.item()
  const run = { layer: 'execute' as const, itemId: userId(1), attempt }
  await reportFailure(one.services, workflow, one.batchId, run, 'killed')
  expect(await one.run()).toMatchObject({ status: 'succeeded' })
  expect(acts).toEqual(['other', 'refund', 'ship'])
})
