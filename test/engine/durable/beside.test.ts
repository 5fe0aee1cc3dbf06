import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { PermanentError } from '../../../src/errors.ts'
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

test('a handler that asks for other steps each time it runs is stopped, and what it has done undone', async () => {
  const acts: string[] = []
  const one = await start(async (_, { step, compensate }) => {
    compensate('first', async () => void acts.push('undo'))
    await step('first', async () => void acts.push('first'))
    await step(`mail ${crypto.randomUUID()}`, async () => void acts.push('mail'))
    return { text: 'never' }
  })
  const item = await one.run()
  expect(item).toMatchObject({ status: 'failed' })
  expect(item.error?.message).toContain('asks for other steps each time')
  expect(acts.filter((act) => act === 'mail').length).toBeLessThan(10)
  expect(acts.filter((act) => act !== 'mail')).toEqual(['first', 'undo'])
})
