import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { PermanentError } from '../../../src/errors.ts'
import { reconcile } from '../../../src/engine/reconcile.ts'
import { reportFailure } from '../../../src/engine/report-failure.ts'
import type { Fate } from '../../support/deliveries.ts'
import { durableToy } from '../../support/toy.ts'
import { startOne } from '../../support/durable.ts'
import { userId } from '../../support/population.ts'
import { oneUser } from './one-user.ts'

beforeEach(oneUser)

/** An item of two steps, `meanwhile` whose undoing something happens. */
async function undoing(meanwhile: (one: Awaited<ReturnType<typeof startOne>>) => Promise<unknown>) {
  const acts: string[] = []
  const workflow = durableToy(async (_, { step, sleep, compensate }) => {
    compensate('a', async () => void acts.push('undo a'))
    await step('a', async () => void acts.push('a'))
    compensate('b', async () => {
      acts.push('undo b')
      await meanwhile(one)
    })
    await step('b', async () => void acts.push('b'))
    await sleep('week', '7 days')
    throw new PermanentError('no')
  })
  const one = await startOne(workflow, userId(1))
  return { one, acts, workflow }
}

const turnSwitch = (one: Awaited<ReturnType<typeof startOne>>, on: boolean) =>
  one.call('PUT', '/api/admin/kill-switches/toy', { on })

describe('the undoing of an item that fails', () => {
  test('goes on though its batch is paused', async () => {
    const { one, acts } = await undoing((item) => item.act('pause'))
    expect(await one.run()).toMatchObject({ status: 'failed' })
    expect(acts).toEqual(['a', 'b', 'undo b', 'undo a'])
  })

  test('is held by the kill switch, and goes on when its batch is resumed', async () => {
    const { one, acts } = await undoing((item) => turnSwitch(item, true))
    expect(await one.run()).toMatchObject({ status: 'queued', undoing: 'failed' })
    expect(acts).toEqual(['a', 'b', 'undo b'])
    await turnSwitch(one, false)
    expect(await one.act('resume')).toMatchObject({ status: 200 })
    expect(await one.run()).toMatchObject({ status: 'failed', error: { message: 'no' } })
    expect(acts).toEqual(['a', 'b', 'undo b', 'undo a'])
  })
})

test('the undoing of a cancelled item is held by the kill switch, and goes on with a tick after it', async () => {
  const { one, acts, workflow } = await undoing((item) => turnSwitch(item, true))
  await one.runUntilWaiting()
  await one.act('cancel')
  expect(await one.run()).toMatchObject({ status: 'queued', undoing: 'cancelled' })
  expect(acts).toEqual(['a', 'b', 'undo b'])
  await turnSwitch(one, false)
  await one.services.db.execute(sql`update batch_items set queued_at = now() - interval '1 hour'`)
  await one.services.db.execute(sql`update changes set at = now() - interval '1 hour'`)
  await reconcile(one.services, [workflow], { graceSeconds: 0 })
  expect(await one.run()).toMatchObject({ status: 'cancelled' })
  expect(acts).toEqual(['a', 'b', 'undo b', 'undo a'])
})

test('an undoing whose run is lost goes on with a tick, also when its batch is paused', async () => {
  const acts: string[] = []
  let lose = false
  const workflow = durableToy(async (_, { step, compensate }) => {
    compensate('a', async () => void acts.push('undo a'))
    await step('a', async () => void acts.push('a'))
    compensate('b', async () => {
      acts.push('undo b')
      await one.act('pause')
      lose = true
    })
    await step('b', async () => void acts.push('b'))
    throw new PermanentError('no')
  })
  const one: Awaited<ReturnType<typeof startOne>> = await startOne(workflow, userId(1))
  const fate = (): Fate => (lose ? 'lost' : 'normal')
  await one.run({ fate, concurrency: 1 })
  const before = await one.item()
  await one.later('1 day')
  await one.services.db.execute(
    sql`update batch_items set queued_at = now() - interval '1 hour', lease_until = now() - interval '1 hour'`,
  )
  await one.services.db.execute(sql`update item_steps set lease_until = null`)
  await one.services.db.execute(sql`update changes set at = now() - interval '1 hour'`)
  await reconcile(one.services, [workflow], { graceSeconds: 0 })
  await one.run()
  const item = await one.item()
  expect({ before: before.status, undoing: before.undoing, status: item.status, acts }).toEqual({
    before: 'running',
    undoing: 'failed',
    status: 'failed',
    acts: ['a', 'b', 'undo b', 'undo a'],
  })
})

test('a retry whose undoing dies goes on after it', async () => {
  const acts: string[] = []
  let isStuck = true
  const workflow = durableToy(async (_, { step, compensate }) => {
    for (const name of ['a', 'b']) {
      compensate(name, async () => {
        if (isStuck && name === 'a') throw new PermanentError('stuck')
        acts.push(`undo ${name}`)
      })
      await step(name, async () => void acts.push(name))
    }
    await step('c', async () => {
      if (isStuck) throw new PermanentError('no')
    })
    return { text: 'done' }
  })
  const one = await startOne(workflow, userId(1))
  expect(await one.run()).toMatchObject({ status: 'failed', error: { name: 'UndoFailed' } })
  isStuck = false
  await one.act('retry', { all: true })
  await one.deliver({ until: () => acts.includes('undo a'), concurrency: 1 })
  const { attempt } = await one.item()
  await reportFailure(
    one.services,
    workflow,
    one.batchId,
    { layer: 'execute', itemId: userId(1), attempt },
    'killed',
  )
  expect(await one.run()).toMatchObject({ status: 'succeeded' })
  expect(acts).toEqual(['a', 'b', 'undo b', 'undo a', 'a', 'b'])
})
