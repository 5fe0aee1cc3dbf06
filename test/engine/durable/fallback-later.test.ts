import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { reconcile } from '../../../src/engine/reconcile.ts'
import { PermanentError, RetryLaterError } from '../../../src/errors.ts'
import type { ItemTools } from '../../../src/workflows/contract.ts'
import { isFailureCallback, isItem, type Fate, type PendingDelivery } from '../../support/deliveries.ts'
import { startOne } from '../../support/durable.ts'
import { userId } from '../../support/population.ts'
import { rounds } from '../../support/rounds.ts'
import { durableToy } from '../../support/toy.ts'
import { oneUser, start, type Toy } from './one-user.ts'

beforeEach(oneUser)

const lost = new Error('the answer was lost')

/** Loses what is left of the run that `from` is true in. */
function losing(from: () => boolean) {
  let dying: string | undefined
  return (delivery: PendingDelivery): Fate => {
    if (!isItem(delivery) || isFailureCallback(delivery) || !from()) return 'normal'
    const run = delivery.headers['upstash-workflow-runid']
    dying ??= run
    return run === dying ? 'lost' : 'normal'
  }
}

/** Charges a card, of which the handler hears only whether that has failed. */
async function charging({ parallel, compensate }: ItemTools, acts: string[], error: () => Error | undefined) {
  compensate('card', async () => void acts.push('refund'))
  const work = async () => {
    acts.push('card')
    const problem = error()
    if (problem !== undefined) throw problem
  }
  return (await parallel({ card: work }, { retries: 0 })).card.ok
}

const other: Toy = async (_, { step }) => ({ text: await step('other', async () => 'x') })

/** Gives for nothing what nobody pays for. */
const giving =
  (acts: string[]): Toy =>
  async (_, tools) => ({ text: (await charging(tools, acts, () => lost)) ? 'paid' : 'free' })

describe('what a handler has gone on without is undone', () => {
  test('when the run is lost before that', async () => {
    const acts: string[] = []
    const one = await start(giving(acts))
    expect(await one.run({ fate: losing(() => acts.includes('card')), concurrency: 1 })).toMatchObject({
      status: 'failed',
    })
    expect(acts).toEqual(['card', 'refund'])
  })

  test('when it is cancelled while the kill switch holds that back', async () => {
    const acts: string[] = []
    const one = await start(giving(acts))
    await one.deliver({ until: () => acts.length === 1, concurrency: 1 })
    const turn = (on: boolean) => one.call('PUT', '/api/admin/kill-switches/toy', { on })
    await turn(true)
    await one.run()
    expect(acts).toEqual(['card'])
    await turn(false)
    await one.act('cancel')
    expect(await one.run()).toMatchObject({ status: 'cancelled' })
    expect(acts).toEqual(['card', 'refund'])
  })

  test('before a wait that is begun beside it', async () => {
    const acts: string[] = []
    const one = await start(async (_, tools) => {
      await Promise.all([charging(tools, acts, () => lost), tools.sleep('week', '7 days')])
      return { text: 'done' }
    })
    expect(await one.runUntilWaiting()).toMatchObject({ waitingFor: 'week' })
    expect(acts).toEqual(['card', 'refund'])
  })
})

test('an item at its end, of which only the save is lost, stands though it has gone on without a step', async () => {
  const acts: string[] = []
  const one = await start(async (_, tools) => {
    await charging(tools, acts, () => lost)
    tools.compensate('mail', async () => void acts.push('undo mail'))
    await tools.step('mail', async () => void acts.push('mail'))
    return { text: 'done' }
  })
  const fate = losing(() => acts.includes('mail'))
  expect(await one.run({ fate, concurrency: 1 })).toMatchObject({ status: 'succeeded' })
  expect(acts).toEqual(['card', 'refund', 'mail'])
})

test('an item that is cancelled stays so when its run dies between two undos', async () => {
  const acts: string[] = []
  const workflow = durableToy(async (_, tools) => {
    tools.compensate('mail', async () => void acts.push('undo mail'))
    await tools.step('mail', async () => void acts.push('mail'))
    return { text: (await charging(tools, acts, () => lost)) ? 'paid' : 'free' }
  })
  const one = await startOne(workflow, userId(1))
  const turn = (on: boolean) => one.call('PUT', '/api/admin/kill-switches/toy', { on })
  const heldAfter = async (act: string) => {
    await one.deliver({ until: () => acts.includes(act), concurrency: 1 })
    await turn(true)
    await one.run()
    await turn(false)
  }
  await heldAfter('card')
  await one.act('cancel')
  await heldAfter('refund')
  await reconcile(one.services, [workflow], { graceSeconds: 0 })
  expect(await one.run()).toMatchObject({ status: 'cancelled' })
  expect(acts).toEqual(['mail', 'card', 'refund', 'undo mail'])
})

/** Puts another handler in the place of the item's until that has failed, and retries it with its own. */
const changing = async (one: Awaited<ReturnType<typeof start>>, before: () => void) => {
  await one.runUntilWaiting({ longestSkipMs: 60_000 })
  before()
  await rounds([durableToy(other)]).deliver()
  expect(await one.item()).toMatchObject({ status: 'failed', error: { name: 'HandlerChanged' } })
  await one.act('retry', { all: true })
  return await one.run()
}

describe('an item whose handler was changed goes on as if it had not failed', () => {
  test('with the card that stands, not with the one that was declined', async () => {
    const acts: string[] = []
    let error: Error | undefined = new PermanentError('declined')
    const one = await start(async (_, tools) => {
      const isPaid = await charging(tools, acts, () => error)
      if (!isPaid) await tools.step('second card', async () => void acts.push('second'))
      await tools.sleep('week', '7 days')
      return { text: 'paid' }
    })
    expect(await changing(one, () => (error = undefined))).toMatchObject({ status: 'succeeded' })
    expect(acts).toEqual(['card', 'second'])
  })

  test('with an undo that was put off, and with none but that', async () => {
    const acts: string[] = []
    let isLater = true
    const one = await start(async (_, { step, parallel, compensate }) => {
      compensate('mail', async () => void acts.push('undo mail'))
      await step('mail', async () => void acts.push('mail'))
      compensate('card', async () => {
        if (isLater) throw new RetryLaterError('later', 3600, { slows: false })
        acts.push('refund')
      })
      await parallel({ card: () => Promise.reject(lost) }, { retries: 0 })
      return { text: 'done' }
    })
    expect(await changing(one, () => (isLater = false))).toMatchObject({ status: 'succeeded' })
    expect(acts).toEqual(['mail', 'refund'])
  })
})

const word = { data: z.string(), timeout: '14 days' } as const
const failing = async (tools: ItemTools, isBroken: boolean) => {
  await tools.step('end', () => (isBroken ? Promise.reject(new PermanentError('no')) : Promise.resolve()))
  return { text: 'done' }
}
const retried = async (handler: (isFirst: () => boolean) => Toy) => {
  let isFirst = true
  const one = await start(handler(() => isFirst))
  await one.runUntilWaiting()
  expect(await one.give('word', 'old')).toBe(true)
  expect(await one.run()).toMatchObject({ status: 'failed' })
  isFirst = false
  await one.act('retry', { all: true })
  return await one.runUntilWaiting()
}

describe('a retry waits anew', () => {
  test('for the answer to a step that the handler had gone on without', async () => {
    const acts: string[] = []
    const again = await retried((isFirst) => async (_, tools) => {
      await charging(tools, acts, () => (isFirst() ? lost : undefined))
      await tools.waitForEvent('word', { ...word, answerTo: 'card' })
      return await failing(tools, isFirst())
    })
    expect(again).toMatchObject({ status: 'waiting', waitingFor: 'word' })
    expect(acts).toEqual(['card', 'refund', 'card'])
  })

  test('after a step that was begun in another run than the one before it, which was undone', async () => {
    let isLater = true
    const again = await retried((isFirst) => async (_, tools) => {
      await charging(tools, [], () => lost)
      await tools.step('look', async () => 'x')
      tools.compensate('ask', async () => undefined)
      await tools.step('ask', async () => {
        if (!isLater) return
        isLater = false
        throw new RetryLaterError('later', 60, { slows: false })
      })
      await tools.waitForEvent('word', word)
      return await failing(tools, isFirst())
    })
    expect(again).toMatchObject({ status: 'waiting', waitingFor: 'word' })
  })
})

test('a card that was declined is not asked again in a later run, beside another chain', async () => {
  const acts: string[] = []
  let error: Error | undefined = new PermanentError('declined')
  const one = await start(async (_, tools) => {
    const pay = async () => {
      if (await charging(tools, acts, () => error)) return
      tools.compensate('second card', async () => void acts.push('undo second'))
      await tools.step('second card', async () => void acts.push('second'))
    }
    const chain = async () => {
      for (let n = 1; n < 8; n += 1) await tools.step(`link ${n}`, async () => n)
    }
    await Promise.all([pay(), chain()])
    return { text: 'done' }
  })
  await one.deliver({ until: () => acts.includes('second'), concurrency: 1 })
  await one.act('pause')
  await one.run()
  error = undefined
  await one.act('resume')
  expect(await one.run()).toMatchObject({ status: 'succeeded' })
  expect(acts).toEqual(['card', 'second'])
})
