import { beforeEach, describe, expect, test } from 'vitest'
import { PermanentError } from '../../../src/errors.ts'
import type { Handler, ItemTools } from '../../../src/workflows/contract.ts'
import { rounds } from '../../support/rounds.ts'
import { durableToy } from '../../support/toy.ts'
import { oneUser, start, type Toy } from './one-user.ts'

beforeEach(oneUser)

type One = Awaited<ReturnType<typeof start>>
const lost = new Error('the answer was lost')
const no = () => Promise.reject(new PermanentError('no'))

/** Retries the item in another deployment, whatever that may do again. */
async function retryWith(
  one: One,
  handler: Toy | Record<number, Handler<{ tag: string }, { text: string }>>,
) {
  const { call, deliver } = rounds([durableToy(handler)])
  await call('POST', `/api/admin/batches/${one.batchId}/retry`, { all: true, confirm: true })
  await deliver()
  return await one.item()
}

describe('the new version of a handler of which nothing stands', () => {
  test.each<[string, Toy, Toy]>([
    [
      'wait where a step had failed',
      async (_, { step }) => ({ text: String(await step('review', no)) }),
      async (_, { sleep }) => {
        await sleep('review', '1 day')
        return { text: 'v2' }
      },
    ],
    [
      'do something where it had waited',
      async (_, { step, sleep, compensate }) => {
        compensate('ask', async () => undefined)
        await step('ask', async () => 1)
        await sleep('review', '1 day')
        return await no()
      },
      async (_, { step }) => ({ text: await step('review', async () => 'v2') }),
    ],
  ])('may %s', async (_, old, current) => {
    const one = await start(old)
    expect(await one.run()).toMatchObject({ status: 'failed' })
    expect(await retryWith(one, { 1: old, 2: current })).toMatchObject({ status: 'succeeded', handler: 2 })
  })

  test('tries what had been declined, though the item failed since its handler was gone', async () => {
    const acts: string[] = []
    let isDeclined = true
    const card = async () => {
      acts.push('card')
      if (isDeclined) throw new PermanentError('declined')
    }
    const old: Toy = async (_, { step, parallel }) => {
      await parallel({ card })
      return { text: await step('second', async () => 'x') }
    }
    const current: Toy = async (_, { step }) => {
      await step('card', card)
      return { text: 'v2' }
    }
    const one = await start(old)
    await one.deliver({ until: () => acts.length === 1, concurrency: 1 })
    await one.act('pause')
    await one.run()
    await one.act('resume')
    await rounds([durableToy({ 2: current })]).deliver()
    expect(await one.item()).toMatchObject({ status: 'failed', error: { name: 'HandlerChanged' } })
    isDeclined = false
    expect(await retryWith(one, { 1: old, 2: current })).toMatchObject({ status: 'succeeded', handler: 2 })
    expect(acts).toEqual(['card', 'card'])
  })
})

const doing = async ({ step, compensate }: ItemTools, acts: string[], name: string) => {
  compensate(name, async () => void acts.push(`undo ${name}`))
  await step(name, async () => void acts.push(name))
}

const inOrder =
  (acts: string[], order: () => string[]): Toy =>
  async (_, tools) => {
    await tools.parallel({ look: async () => (order()[0] === 'a' ? await no() : 1) })
    for (const name of order()) await doing(tools, acts, name)
    return { text: String(await tools.step('end', no)) }
  }

describe('what a retry does is undone in reverse', () => {
  test.each(['by another version', 'by the same handler'])('%s', async (how) => {
    const acts: string[] = []
    let order = ['a', 'b']
    const old = inOrder(acts, () => order)
    const one = await start(old)
    expect(await one.run()).toMatchObject({ status: 'failed' })
    expect(acts.splice(0)).toEqual(['a', 'b', 'undo b', 'undo a'])
    order = ['b', 'a']
    await retryWith(one, how === 'by another version' ? { 1: old, 2: inOrder(acts, () => order) } : old)
    expect(acts).toEqual(['b', 'a', 'undo a', 'undo b'])
  })
})

const paying =
  (acts: string[], name: string, says: boolean): Toy =>
  async (_, { parallel, compensate, step }) => {
    if (name === '') return { text: await step('other', async () => 'x') }
    if (says) compensate(name, async () => void acts.push('refund'))
    const pay = async () => {
      acts.push(name)
      if (acts.length === 1) throw lost
    }
    await parallel({ [name]: pay }, { retries: 0 })
    return { text: 'paid' }
  }

const held = async (acts: string[]) => {
  const one = await start(paying(acts, 'card', true))
  const turn = (on: boolean) => one.call('PUT', '/api/admin/kill-switches/toy', { on })
  await one.deliver({ until: () => acts.length === 1, concurrency: 1 })
  await turn(true)
  await one.run()
  await turn(false)
  return one
}

describe('a card that may have been charged, which failed and is not undone yet', () => {
  test.each<[string, string, boolean]>([
    ['another name', 'first card', true],
    ['none of it', '', true],
    ['no undo of it', 'card', false],
  ])('is not forgotten by a changed handler that has %s', async (_, name, says) => {
    const acts: string[] = []
    const one = await held(acts)
    await one.act('resume')
    await rounds([durableToy(paying(acts, name, says))]).deliver()
    expect(await one.item()).toMatchObject({ status: 'failed', error: { name: 'HandlerChanged' } })
    expect(acts).toEqual(['card'])
    await one.act('retry', { all: true, confirm: true })
    expect(await one.run()).toMatchObject({ status: 'succeeded' })
    expect(acts).toEqual(['card', 'refund'])
  })

  test.each([
    ['none of it', ''],
    ['no undo of it', 'card'],
  ])('is not forgotten by a cancel while the handler has %s', async (_, name) => {
    const acts: string[] = []
    const one = await held(acts)
    await one.act('cancel')
    await rounds([durableToy(paying(acts, name, false))]).deliver()
    expect(await one.item()).toMatchObject({ status: 'failed', error: { name: 'UndoFailed' } })
    await one.act('retry', { all: true })
    expect(await one.run()).toMatchObject({ status: 'cancelled' })
    expect(acts).toEqual(['card', 'refund'])
  })
})

test.each(['in place', 'in a new version'])(
  'a charge that may have been made is not made under another name, changed %s',
  async (how) => {
    const acts: string[] = []
    const paying =
      (name: string): Toy =>
      async (_, { step }) => {
        const pay = async () => {
          acts.push(name)
          if (acts.length === 1) throw lost
        }
        await step(name, pay, { retries: 0, acts: true })
        return { text: 'paid' }
      }
    const one = await start(paying('charge'))
    expect(await one.run()).toMatchObject({ status: 'failed' })
    await retryWith(one, how === 'in place' ? paying('pay') : { 1: paying('charge'), 2: paying('pay') })
    expect(acts).not.toContain('pay')
  },
)

test('what nobody knew how to undo is undone first by a retry', async () => {
  const acts: string[] = []
  const doing =
    (knows: boolean): Toy =>
    async (_, { step, compensate, sleep }) => {
      compensate('reserve', async () => void acts.push('release'))
      await step('reserve', async () => void acts.push('reserve'))
      if (knows) compensate('charge', async () => void acts.push('refund'))
      await step('charge', async () => void acts.push('charge'))
      await sleep('week', '7 days')
      if (acts.length < 3) return await no()
      return { text: 'done' }
    }
  const one = await start(doing(true))
  await one.runUntilWaiting()
  await rounds([durableToy(doing(false))]).deliver()
  expect(await one.item()).toMatchObject({ status: 'failed', error: { name: 'UndoFailed' } })
  expect(await retryWith(one, doing(true))).toMatchObject({ status: 'succeeded' })
  expect(acts).toEqual(['reserve', 'charge', 'release', 'refund', 'reserve', 'charge'])
})
