import { beforeEach, describe, expect, test } from 'vitest'
import { PermanentError, RetryLaterError } from '../../../src/errors.ts'
import { skip } from '../../../src/workflows/contract.ts'
import { oneUser, start } from './one-user.ts'

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
    const patientUndo = patient(acts)
    const one = await start(async (_, { step, compensate }) => {
      compensate('a', patientUndo)
      await step('a', async () => void acts.push('a'))
      compensate('b', async () => void acts.push('undo b'))
      await step(
        'b',
        async () => {
          acts.push('b')
          throw new Error('no answer')
        },
        { retries: 0 },
      )
      return { text: 'done' }
    })
    const item = await one.run()
    expect({ status: item.status, acts }).toEqual({ status: 'failed', acts: ['a', 'b', 'undo b', 'undo a'] })
  })

  test('when the kill switch held it', async () => {
    const acts: string[] = []
    const one = await start(async (_, { step, compensate }) => {
      compensate('a', async () => void acts.push('undo a'))
      await step('a', async () => void acts.push('a'))
      compensate('b', async () => {
        acts.push('undo b')
        await one.call('PUT', '/api/admin/kill-switches/toy', { on: true })
      })
      await step(
        'b',
        async () => {
          acts.push('b')
          throw new Error('no answer')
        },
        { retries: 0 },
      )
      return { text: 'done' }
    })
    await one.run()
    await one.call('PUT', '/api/admin/kill-switches/toy', { on: false })
    await one.act('resume')
    const item = await one.run()
    expect({ status: item.status, acts }).toEqual({ status: 'failed', acts: ['a', 'b', 'undo b', 'undo a'] })
  })

  test('when a retry finishes it', async () => {
    const acts: string[] = []
    let stuck = true
    const one = await start(async (_, { step, compensate }) => {
      compensate('a', async () => {
        if (stuck) throw new PermanentError('stuck')
        acts.push('undo a')
      })
      await step('a', async () => void acts.push('a'))
      compensate('b', async () => void acts.push('undo b'))
      await step(
        'b',
        async () => {
          acts.push('b')
          if (stuck) throw new Error('no answer')
        },
        { retries: 0 },
      )
      return { text: 'done' }
    })
    expect(await one.run()).toMatchObject({ status: 'failed', error: { name: 'UndoFailed' } })
    stuck = false
    await one.act('retry', { all: true })
    const item = await one.run()
    expect({ status: item.status, acts, statuses: await one.statuses() }).toEqual({
      status: 'succeeded',
      acts: ['a', 'b', 'undo b', 'undo a', 'a', 'b'],
      statuses: { a: 'done', b: 'done' },
    })
  })

  test('when a retry finishes it, and the handler would skip', async () => {
    const acts: string[] = []
    let stuck = true
    const one = await start(async (_, { step, compensate }) => {
      compensate('a', async () => {
        if (stuck) throw new PermanentError('stuck')
        acts.push('undo a')
      })
      await step('a', async () => void acts.push('a'))
      compensate('b', async () => void acts.push('undo b'))
      const b = await step(
        'b',
        async () => {
          acts.push('b')
          if (stuck) throw new Error('no answer')
          return 'b'
        },
        { retries: 0 },
      )
      if (b === null) return skip('the user is gone')
      return { text: 'done' }
    })
    await one.run()
    stuck = false
    await one.act('retry', { all: true })
    const item = await one.run()
    expect({ status: item.status, acts }).toEqual({
      status: 'succeeded',
      acts: ['a', 'b', 'undo b', 'undo a', 'a', 'b'],
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
  expect(acts).toEqual(['card?', 'other', 'cancel card'])
  stuck = false
  await one.act('retry', { all: true })
  const item = await one.run()
  expect({ status: item.status, acts, statuses: await one.statuses() }).toMatchObject({
    acts: ['card?', 'other', 'cancel card', 'refund other', 'card'],
  })
})
