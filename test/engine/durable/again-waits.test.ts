import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { PermanentError } from '../../../src/errors.ts'
import type { ItemTools } from '../../../src/workflows/contract.ts'
import { oneUser, start } from './one-user.ts'

beforeEach(oneUser)

/** A step that is undone when the item fails. */
async function offer({ step, compensate }: ItemTools) {
  compensate('offer', async () => undefined)
  await step('offer', async () => undefined)
}

/** Gives an item its answer, after which it fails, and has it tried again once that is mended. */
async function answeredAndRetried(one: Awaited<ReturnType<typeof start>>, mend: () => void) {
  await one.runUntilWaiting()
  await one.give('answer', 'yes')
  await one.runUntilWaiting()
  mend()
  await one.act('retry', { all: true })
  return await one.runUntilWaiting()
}

describe('a retry', () => {
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

  test('waits anew for what was given before it was waited for, after a step that was undone', async () => {
    const one = await start(async (_, { step, compensate, sleep, waitForEvent }) => {
      compensate('offer', async () => undefined)
      await step('offer', async () => 'offered')
      await sleep('week', '7 days')
      await step('check', async () => {
        if (fails) throw new PermanentError('no')
      })
      return { text: String(await waitForEvent('answer', { data: z.string(), timeout: '30 days' })) }
    })
    let fails = true
    await one.runUntilWaiting()
    await one.give('answer', 'to the first offer')
    await one.run()
    fails = false
    await one.act('retry', { all: true })
    await one.runUntilWaiting()
    await one.later('7 days')
    expect(await one.runUntilWaiting()).toMatchObject({ status: 'waiting', waitingFor: 'answer' })
  })

  test('does not wait anew for what a step had asked for that stands', async () => {
    const acts: string[] = []
    let fails = true
    const one = await start(async (_, { step, compensate, waitForEvent }) => {
      compensate('reserve', async () => void acts.push('release'))
      await step('reserve', async () => void acts.push('reserve'))
      await step('ask customer', async () => void acts.push('ask customer'))
      const answer = await waitForEvent('answer', { data: z.string(), timeout: '30 days' })
      await step('last', async () => {
        if (fails) throw new PermanentError('no')
      })
      return { text: String(answer) }
    })
    const item = await answeredAndRetried(one, () => {
      fails = false
    })
    expect(item).toMatchObject({ status: 'succeeded' })
    expect(acts).toEqual(['reserve', 'ask customer', 'release', 'reserve'])
  })

  test.each<[string, (tools: ItemTools) => Promise<void>, string | undefined, boolean]>([
    [
      'anew, also when a step has failed before that wait',
      async (tools) => {
        await offer(tools)
        await tools.parallel({ sms: () => Promise.reject(new PermanentError('no such number')) })
      },
      undefined,
      true,
    ],
    [
      'anew as the handler says, though another step stands before that wait',
      async (tools) => {
        await offer(tools)
        await tools.step('log', async () => undefined)
      },
      'offer',
      true,
    ],
    [
      'as the handler says, not for what a step had asked that stands',
      async (tools) => {
        await tools.step('ask', async () => undefined)
        await offer(tools)
      },
      'ask',
      false,
    ],
  ])('waits %s', async (_, before, answerTo, anew) => {
    let fails = true
    const one = await start(async (__, tools) => {
      await before(tools)
      const wait = { data: z.string(), timeout: '30 days', ...(answerTo && { answerTo }) } as const
      const answer = await tools.waitForEvent('answer', wait)
      await tools.step('last', async () => {
        if (fails) throw new PermanentError('no')
      })
      return { text: String(answer) }
    })
    const item = await answeredAndRetried(one, () => {
      fails = false
    })
    expect(item).toMatchObject({ status: anew ? 'waiting' : 'succeeded' })
    expect(await one.give('answer', 'yes')).toBe(anew)
    expect(await one.run()).toMatchObject({ status: 'succeeded' })
  })

  test.each([['label', 'invoice'] as const, ['invoice', 'label'] as const])(
    'keeps a wait after steps that were begun together, one of which stands, in whatever order: %s, %s',
    async (...names) => {
      let fails = true
      const one = await start(async (_, { step, parallel, compensate, waitForEvent }) => {
        compensate('label', async () => undefined)
        await parallel(Object.fromEntries(names.map((name) => [name, async () => name])))
        const answer = await waitForEvent('answer', { data: z.string(), timeout: '30 days' })
        await step('last', () => (fails ? Promise.reject(new PermanentError('no')) : Promise.resolve('x')))
        return { text: String(answer) }
      })
      const item = await answeredAndRetried(one, () => {
        fails = false
      })
      expect(item).toMatchObject({ status: 'succeeded' })
    },
  )
})
