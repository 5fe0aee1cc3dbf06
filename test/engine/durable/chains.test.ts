import { beforeEach, describe, expect, test } from 'vitest'
import type { ItemTools } from '../../../src/workflows/contract.ts'
import { PermanentError, RetryLaterError } from '../../../src/errors.ts'
import { oneUser, start } from './one-user.ts'

beforeEach(oneUser)

const names = ['b1', 'b2', 'b3', 'b4', 'b5']
const undos = names.toReversed().map((name) => `undo ${name}`)

/** A chain of steps that can be undone, beside one step that asks for patience until `end` says what becomes of it. */
async function beside(end: () => Promise<never>, undo: () => Promise<void> = () => Promise.resolve()) {
  const acts: string[] = []
  let tries = 0
  const quick = async ({ step, compensate }: ItemTools) => {
    for (const name of names) {
      compensate(name, async () => {
        await undo()
        acts.push(`undo ${name}`)
      })
      await step(name, async () => void acts.push(name))
    }
  }
  const slow = ({ step }: ItemTools) =>
    step('slow', async () => {
      tries += 1
      if (tries > names.length + 1) await end()
      throw new RetryLaterError('busy', 60)
    })
  const one = await start(async (_, tools) => {
    await Promise.all([slow(tools), quick(tools)])
    return { text: 'never' }
  })
  return { one, acts }
}

const no = () => Promise.reject(new PermanentError('no'))

describe('a chain of steps beside one that is not done is undone whole', () => {
  test('when the batch is cancelled', async () => {
    const { one, acts } = await beside(async () => {
      await one.act('cancel')
      throw new RetryLaterError('busy', 60)
    })
    expect(await one.run()).toMatchObject({ status: 'cancelled' })
    expect(acts).toEqual([...names, ...undos])
  })

  test('when the item fails and its undoing goes on in another run', async () => {
    let asked = false
    const { one, acts } = await beside(no, async () => {
      if (asked) return
      asked = true
      throw new RetryLaterError('busy', 60)
    })
    expect(await one.run()).toMatchObject({ status: 'failed', error: { message: 'no' } })
    expect(acts).toEqual([...names, ...undos])
  })

  test('when the kill switch held its undoing', async () => {
    const turn = (on: boolean) => one.call('PUT', '/api/admin/kill-switches/toy', { on })
    const { one, acts } = await beside(async () => {
      await turn(true)
      return await no()
    })
    expect(await one.run()).toMatchObject({ status: 'queued', undoing: 'failed' })
    await turn(false)
    await one.act('resume')
    expect(await one.run()).toMatchObject({ status: 'failed', error: { message: 'no' } })
    expect(acts).toEqual([...names, ...undos])
  })

  test('when it computes something before it says how', async () => {
    const acts: string[] = []
    let done = false
    const one = await start(async (_, { step, compensate }) => {
      const slow = () =>
        step('slow', async () => {
          if (!done) throw new RetryLaterError('busy', 60)
          return await no()
        })
      const computing = async () => {
        await new Promise((resolve) => setTimeout(resolve, 30))
        compensate('charge', async () => void acts.push('refund'))
        await step('charge', async () => {
          done = true
          acts.push('charge')
        })
      }
      await Promise.all([slow(), computing()])
      return { text: 'never' }
    })
    await one.run()
    expect(acts).toEqual(done ? ['charge', 'refund'] : [])
  })
})

test('a chain may compute something while a step of another is at work', async () => {
  const acts: string[] = []
  const one = await start(async (_, { step }) => {
    const computing = async () => {
      await step('a', async () => void acts.push('a'))
      await new Promise((resolve) => setTimeout(resolve, 60))
      await step('b', async () => void acts.push('b'))
    }
    const working = async () => {
      await step('c', async () => void acts.push('c'))
      await step('d', async () => {
        await new Promise((resolve) => setTimeout(resolve, 400))
        acts.push('d')
      })
    }
    await Promise.all([computing(), working()])
    return { text: 'done' }
  })
  expect(await one.run()).toMatchObject({ status: 'succeeded' })
  expect(acts.toSorted()).toEqual(['a', 'b', 'c', 'd'])
})
