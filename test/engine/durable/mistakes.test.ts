import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { PermanentError } from '../../../src/errors.ts'
import type { Json, Workflow } from '../../../src/workflows/contract.ts'
import { mockStep, startOne } from '../../support/durable.ts'
import { userId } from '../../support/population.ts'
import { durableToy, toyWorkflow } from '../../support/toy.ts'
import { caller } from './caller.ts'
import { oneUser, start, type Toy } from './one-user.ts'

beforeEach(oneUser)

// What a compiler cannot see: it was cast.
const noJson: Json = JSON.parse('{}', () => new Date(0))

const waiting: Toy = async (_, { waitForEvent }) => ({
  text: String(await waitForEvent('wrod', { data: z.string(), timeout: '14 days' })),
})

describe('an author who errs is told at once', () => {
  test.each<[string, Toy, string]>([
    [
      'a name that is there twice',
      async (_, { step }) => ({ text: `${await step('a', async () => 1)}${await step('a', async () => 1)}` }),
      'the step a is there twice',
    ],
    [
      'a step that it does not await',
      async (_, { step }) => {
        void step('mail', async () => undefined)
        return { text: '' }
      },
      'the handler has ended without the step mail, which it did not await',
    ],
    [
      'a negative number of retries',
      async (_, { step }) => ({ text: await step('a', async () => 'x', { retries: -1 }) }),
      'the step a asks for -1 retries',
    ],
    [
      'a step inside a step',
      async (_, { step }) => ({ text: await step('outer', () => step('inner', async () => 'x')) }),
      'the step inner is inside the step outer',
    ],
    [
      'an undo of no step',
      async (_, { compensate }) => {
        compensate('typo', async () => undefined)
        return { text: '' }
      },
      'compensate names typo, which is no step',
    ],
    [
      'an undo that is said inside a step',
      async (_, { step, compensate }) => ({
        text: await step('a', async () => {
          compensate('a', async () => undefined)
          return 'x'
        }),
      }),
      'compensate of a is inside the step a',
    ],
    [
      'an undo that is said after its step',
      async (_, { step, compensate }) => {
        const text = await step('a', async () => 'x')
        compensate('a', async () => undefined)
        return { text }
      },
      'compensate of a comes after that step',
    ],
    [
      'a step inside an undo',
      async (_, { step, compensate }) => {
        compensate('a', () => step('inner', async () => undefined))
        await step('a', async () => undefined)
        throw new PermanentError('no')
      },
      'the step inner is inside the step undo of a',
    ],
    [
      'a name that leaves no room for the end of what is invoked',
      async (_, { invoke }) => {
        const workflow = { name: 'toy', params: z.object({}), data: z.object({}) }
        await invoke('a'.repeat(98), { workflow, itemId: 'x', params: {}, timeout: '1 day' })
        return { text: '' }
      },
      'is no name of a step',
    ],
    [
      'an undo of a wait',
      async (_, { compensate, sleep }) => {
        compensate('rest', async () => undefined)
        await sleep('rest', '1 hour')
        return { text: '' }
      },
      'compensate names rest, which is no step',
    ],
    [
      'two undos of one step',
      async (_, { compensate }) => {
        compensate('a', async () => undefined)
        compensate('a', async () => undefined)
        return { text: '' }
      },
      'compensate names the step a twice',
    ],
    [
      'more retries than there are',
      async (_, { step }) => ({ text: await step('a', async () => 'x', { retries: 10 }) }),
      'more retries than the 3 of layers.execute',
    ],
    [
      'a time that is none',
      async (_, { sleepUntil }) => {
        await sleepUntil('then', 'soon')
        return { text: '' }
      },
      '"soon" is no time',
    ],
    [
      'a duration that is none',
      async (_, { sleep }) => {
        // What a compiler cannot see: it was read from somewhere.
        await sleep('rest', JSON.parse('"a while"'))
        return { text: '' }
      },
      '"a while" is no duration',
    ],
    [
      'a duration without a unit',
      async (_, { sleep }) => {
        await sleep('rest', '5')
        return { text: '' }
      },
      '"5" is no duration',
    ],
    [
      'a timeout that is none',
      async (_, { step }) => ({
        text: await step('a', async () => 'x', { timeout: JSON.parse('"a while"') }),
      }),
      '"a while" is no duration',
    ],
    [
      'a result that is no JSON',
      async (_, { step }) => ({ text: JSON.stringify(await step('a', () => Promise.resolve(noJson))) }),
      'the result is not JSON: it is or holds a Date, undefined, NaN or the like',
    ],
    [
      'a name that is none',
      async (_, { step }) => ({ text: await step('a:b', async () => 'x') }),
      'is no name of a step',
    ],
  ])('of %s', async (_, handler, message) => {
    const one = await start(handler)
    const item = await one.run()
    expect(item.status).toBe('failed')
    expect(item.error?.message).toContain(message)
  })

  test('of an undo that comes after its step, which is undone', async () => {
    const acts: string[] = []
    const one = await start(async (_, { step, compensate }) => {
      await step('charge', async () => void acts.push('charge'))
      compensate('charge', async () => void acts.push('refund'))
      return { text: 'never' }
    })
    expect(await one.run()).toMatchObject({
      status: 'failed',
      error: { message: 'compensate of charge comes after that step' },
    })
    expect(acts).toEqual(['charge', 'refund'])
  })

  test('of an undo of no step, also when the item fails before its end', async () => {
    const one = await start(async (_, { step, compensate }) => {
      compensate('chrge', async () => undefined)
      await step('charge', async () => 'x')
      throw new PermanentError('no')
    })
    const item = await one.run()
    expect(item.error?.message).toBe('no; compensate names chrge, which is no step')
  })

  test('of an event that nobody can give', async () => {
    const one = await start(waiting, { events: { word: z.string() } })
    const item = await one.run()
    expect(item.error?.message).toBe(
      'the handler waits for the event wrod, which the definition does not declare',
    )
  })

  test('of a result that is no JSON, at its first try, after which the step is undone', async () => {
    const acts: string[] = []
    const one = await start(async (_, { step, compensate }) => {
      compensate('charge', async () => void acts.push('refund'))
      await step('charge', async () => {
        acts.push('charge')
        return noJson
      })
      return { text: '' }
    })
    expect(await one.run()).toMatchObject({ status: 'failed' })
    expect(acts).toEqual(['charge', 'refund'])
  })

  test('of a handler that throws, by the name and message of what it threw', async () => {
    const one = await start(() => Promise.reject(new RangeError('an early boom')))
    expect(await one.run()).toMatchObject({
      status: 'failed',
      error: { name: 'RangeError', message: 'an early boom' },
    })
  })
})

test('a test that stands in for a step which is never asked for is told so', async () => {
  const workflow = durableToy(async (_, { step }) => ({ text: await step('real', async () => 'x') }))
  const one = await startOne(mockStep(workflow, 'reel', 'y'), userId(1))
  const item = await one.run()
  expect(item.status).toBe('failed')
  expect(item.error?.message).toContain('stands in for reel, which the handler did not ask for')
})

/** What `caller` has heard of what it invokes. */
async function heardBy(workflow: Workflow, others: Workflow[]) {
  const one = await startOne(workflow, userId(1), { others, force: true, params: { tag: '' } })
  expect(await one.run()).toMatchObject({ status: 'succeeded' })
  const { rows } = await one.services.db.execute(
    sql`select data->>'heard' as heard from results where workflow = 'caller'`,
  )
  return rows
}

test('a test deploys what is invoked, or stands in for it', async () => {
  const end = { status: 'succeeded', data: { text: 'made up' } }
  expect(await heardBy(mockStep(caller(), 'ask', end), [])).toEqual([{ heard: JSON.stringify(end) }])
  const toy = toyWorkflow(() => Promise.resolve({ text: 'real' }))
  expect(await heardBy(caller(), [toy])).toEqual([{ heard: expect.stringContaining('real') }])
})
