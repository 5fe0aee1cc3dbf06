import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { PermanentError } from '../../../src/errors.ts'
import { local, rounds } from '../../support/rounds.ts'
import { durableToy } from '../../support/toy.ts'
import { anything, oneUser, start } from './one-user.ts'

beforeEach(oneUser)

test('the undo of a call is told the key that the call had; done anew, both have others', async () => {
  const calls: string[] = []
  const undos: { key: string; stepKey: string }[] = []
  const one = await start(async (_, { call, step, compensate }) => {
    compensate('order', async ({ key, stepKey }) => void undos.push({ key, stepKey }))
    await call('order', async ({ ai, key }) => {
      calls.push(key)
      return await ai.object(anything)
    })
    await step('then', () => Promise.reject(new PermanentError('no')))
    return { text: 'never' }
  })
  await one.run()
  expect(new Set(calls)).toEqual(new Set([undos[0]?.stepKey]))
  await one.act('retry', { all: true, confirm: true })
  await one.run()
  expect(new Set(calls)).toEqual(new Set(undos.map(({ stepKey }) => stepKey)))
  expect(new Set(undos.flatMap(({ key, stepKey }) => [key, stepKey])).size).toBe(4)
})

test('a mail that the first try may have sent is not sent again under another key', async () => {
  let tries = 0
  const one = await start(async (_, { step }) => {
    await step('mail', async ({ mail }) => {
      tries += 1
      if (tries === 2) await local('mail', 'faults', { rules: [{ status: 403, times: 1 }] })
      await mail.send({ to: 'a@example.com', subject: 's', text: 't' })
      if (tries === 1) throw new Error('the answer was lost')
    })
    return { text: 'sent' }
  })
  expect(await one.run()).toMatchObject({ status: 'failed' })
  expect(await one.act('retry', { all: true })).toMatchObject({
    status: 409,
    body: { error: { details: { again: 1 } } },
  })
  expect(await one.act('retry', { all: true, confirm: true })).toMatchObject({ status: 200 })
  expect(await one.run()).toMatchObject({ status: 'succeeded' })
  expect(z.array(z.unknown()).parse(await local('mail', 'sent'))).toHaveLength(1)
})

async function keysOfTwoBatches(request: { safe?: boolean; method: 'GET' | 'POST' }) {
  const keys = new Set<string>()
  const app = rounds([
    durableToy(async (_, { call, step }) => {
      await call('order', async ({ ai, key }) => {
        keys.add(key)
        const { safe: _, ...asked } = await ai.object(anything)
        return { ...asked, ...request, read: async () => ({ text: 'x' }) }
      })
      await step('then', () => Promise.reject(new PermanentError('no')))
      return { text: 'never' }
    }),
  ])
  for (let batch = 1; batch <= 2; batch += 1) {
    await app.start('toy')
    await app.deliver()
  }
  return keys
}

describe('an item that failed after its call was answered', () => {
  test.each([{ method: 'POST' }, { method: 'GET', safe: false }] as const)(
    'is not begun anew by the next batch, where the call may have done something: %j',
    async (request) => {
      expect((await keysOfTwoBatches(request)).size).toBe(1)
    },
  )

  test.each([{ method: 'POST', safe: true }, { method: 'GET' }] as const)(
    'is, where the call may be repeated: %j',
    async (request) => {
      expect((await keysOfTwoBatches(request)).size).toBe(2)
    },
  )
})
