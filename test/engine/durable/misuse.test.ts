import { beforeEach, describe, expect, test } from 'vitest'
import { oneUser, start, type Toy } from './one-user.ts'

beforeEach(oneUser)

describe('an author who errs is told at once', () => {
  test.each<[string, Toy, string]>([
    [
      'a step inside one of several steps',
      async (_, { step, parallel }) => {
        await parallel({ outer: () => step('inner', async () => 'x') })
        return { text: 'lost' }
      },
      'the step inner is inside the step outer',
    ],
    [
      'an undo that is said inside one of several steps',
      async (_, { parallel, compensate }) => {
        await parallel({ a: async () => compensate('a', async () => undefined) })
        return { text: 'lost' }
      },
      'compensate of a is inside the step a',
    ],
  ])('of %s, of which the handler would hear as of any failure', async (_, handler, message) => {
    const one = await start(handler)
    expect(await one.run()).toMatchObject({ status: 'failed', error: { name: 'HandlerMisuse', message } })
  })

  test('of a step inside one of several steps, which may have done something before, and is undone', async () => {
    const acts: string[] = []
    const one = await start(async (_, { step, parallel, compensate }) => {
      compensate('outer', async () => void acts.push('refund'))
      const outer = async () => {
        acts.push('charge')
        await step('inner', async () => 'x')
      }
      await parallel({ outer })
      return { text: 'never' }
    })
    expect(await one.run()).toMatchObject({ status: 'failed' })
    expect(acts).toEqual(['charge', 'refund'])
  })
})
