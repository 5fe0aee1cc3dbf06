import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { PermanentError, RetryLaterError } from '../../../src/errors.ts'
import type { ItemTools } from '../../../src/workflows/contract.ts'
import { oneUser, start } from './one-user.ts'

beforeEach(oneUser)

describe('a wait beside a step', () => {
  test('does not begin when the step fails for good: what was done is undone at once', async () => {
    const acts: string[] = []
    const one = await start(async (_, { step, waitForEvent, compensate }) => {
      compensate('good', async () => void acts.push('undo'))
      await Promise.all([
        step('good', async () => void acts.push('good')),
        step('bad', () => Promise.reject(new PermanentError('no'))),
        waitForEvent('answer', { data: z.string(), timeout: '14 days' }),
      ])
      return { text: 'never' }
    })
    expect(await one.runUntilWaiting()).toMatchObject({ status: 'failed', error: { message: 'no' } })
    expect(acts).toEqual(['good', 'undo'])
  })

  test('does not begin when the handler has ended with the step', async () => {
    const one = await start(async (_, { step, sleep }) => {
      await Promise.race([step('fast', async () => 'x'), sleep('slow', '7 days')])
      return { text: 'done' }
    })
    expect(await one.runUntilWaiting()).toMatchObject({ status: 'succeeded', attempt: 1 })
    expect(await one.statuses()).toEqual({ fast: 'done' })
  })
})

describe.each([
  ['a step that fails', true],
  ['other steps', false],
] as const)('when %s comes first', (_, failingFirst) => {
  test.each([0, 100])('no step begins beside one that has failed (work of %s ms)', async (workMs) => {
    const acts: string[] = []
    const one = await start(async (__, { step, compensate }) => {
      const chain = async () => {
        await step('a1', async () => void acts.push('a1'))
        compensate('a2', async () => void acts.push('undo a2'))
        await step('a2', async () => {
          acts.push('a2')
          await new Promise((resolve) => setTimeout(resolve, workMs))
        })
      }
      const bad = async () => void (await step('b1', () => Promise.reject(new PermanentError('no'))))
      await Promise.all(failingFirst ? [bad(), chain()] : [chain(), bad()])
      return { text: 'never' }
    })
    expect(await one.run()).toMatchObject({ status: 'failed', error: { message: 'no' } })
    expect(acts).toEqual(['a1'])
  })
})

const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

describe('two chains of steps beside each other', () => {
  test('go on after one of them was put off', async () => {
    const acts: string[] = []
    let asked = 0
    const one = await start(async (_, { step }) => {
      const chain = async (first: string, second: string) => {
        await step(first, async () => {
          asked += Number(first === 'c')
          if (first === 'c' && asked === 1) throw new RetryLaterError('later', 60, { slows: false })
          if (first === 'c') await later(200)
          acts.push(first)
        })
        await step(second, async () => void acts.push(second))
      }
      await Promise.all([chain('a', 'b'), chain('c', 'd')])
      return { text: 'done' }
    })
    expect(await one.run()).toMatchObject({ status: 'succeeded', attempt: 2 })
    expect(acts.toSorted()).toEqual(['a', 'b', 'c', 'd'])
  })

  test('go on after a pause', async () => {
    const acts: string[] = []
    const one = await start(async (_, { step }) => {
      const act = (name: string) =>
        step(name, async () => {
          acts.push(name)
          await later(50)
        })
      const chain = async (n: number) => {
        await act(`look ${n}`)
        await act(`mail ${n}`)
      }
      await Promise.all([chain(1), chain(2)])
      return { text: 'done' }
    })
    await one.deliver({ until: () => acts.length === 1, concurrency: 1 })
    await one.act('pause')
    await one.run()
    await one.act('resume')
    expect(await one.run()).toMatchObject({ status: 'succeeded' })
    expect(acts.toSorted()).toEqual(['look 1', 'look 2', 'mail 1', 'mail 2'])
  })
})

describe('a handler that asks for other things each time it runs is stopped', () => {
  test.each<[string, (tools: ItemTools, acts: string[]) => Promise<void>, RegExp, string[]]>([
    [
      'steps, as one that was changed',
      ({ step }, acts) => step(`mail ${crypto.randomUUID()}`, async () => void acts.push('mail')),
      /^mail .* was done, and the handler asks for mail .* instead/,
      ['first', 'mail'],
    ],
    [
      'sleeps, and what it has done is undone',
      ({ sleep }) => sleep(`rest ${crypto.randomUUID()}`, '1 hour'),
      /asks for other steps each time/,
      ['first', 'undo'],
    ],
  ])('%s', async (_, other, message, expected) => {
    const acts: string[] = []
    const one = await start(async (__, tools) => {
      tools.compensate('first', async () => void acts.push('undo'))
      await tools.step('first', async () => void acts.push('first'))
      await other(tools, acts)
      return { text: 'never' }
    })
    expect(await one.run()).toMatchObject({
      status: 'failed',
      error: { message: expect.stringMatching(message) },
    })
    expect(acts).toEqual(expected)
  })
})
