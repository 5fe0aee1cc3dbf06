import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { PermanentError, RetryLaterError } from '../../../src/errors.ts'
import { isFailureCallback, isItem, type Fate, type PendingDelivery } from '../../support/deliveries.ts'
import type { ItemTools } from '../../../src/workflows/contract.ts'
import { failStep, killIn, startOne, withTools, withUndo } from '../../support/durable.ts'
import { insertUsers, userId } from '../../support/population.ts'
import { resetEverything, rounds } from '../../support/rounds.ts'
import { saga, sagaSteps } from './saga.ts'

beforeEach(async () => {
  await resetEverything()
  await insertUsers(rounds([saga().workflow]).services.db, 1)
})

/** The acts of the saga when `step` has failed for good, and what undid them: b and c in any order. */
const expected = {
  a: [],
  b: ['a', 'c', 'undo c of "c"', 'undo a of "a"'],
  c: ['a', 'b', 'undo b of "b"', 'undo a of "a"'],
  d: ['a', 'b', 'c', 'undo c of "c"', 'undo b of "b"', 'undo a of "a"'],
}

const undos = (acts: string[]) => acts.filter((act) => act.startsWith('undo'))

type One = Awaited<ReturnType<typeof startOne>>

/** What of this undoes something, the last begun first: b and c are begun in any order. */
async function undosOf(one: One, acts: string[]): Promise<string[]> {
  const begun = (await one.history()).map(({ name }) => name)
  const position = (undo: string) => begun.indexOf(undo.split(' ')[1] ?? '')
  return undos(acts).toSorted((x, y) => position(y) - position(x))
}

/** What was undone follows what was done. */
async function expectActs(one: One, acts: string[], wanted: string[]) {
  expect(undos(acts)).toEqual(await undosOf(one, wanted))
  expect(acts.toSorted()).toEqual(wanted.toSorted())
  expect(acts.findIndex((act) => act.startsWith('undo'))).toBe(
    wanted.findIndex((act) => act.startsWith('undo')),
  )
}

describe.each(sagaSteps)('when step %s fails', (step) => {
  test('for good, what had succeeded is undone, once, in reverse', async () => {
    const { workflow, acts } = saga()
    const one = await startOne(failStep(workflow, step, 1, new PermanentError('no')), userId(1))
    const item = await one.run({ fate: () => 'twice' })
    expect(item).toMatchObject({ status: 'failed' })
    expect(item.error?.message).toMatch(/no|b or c has failed/)
    await expectActs(one, acts, expected[step])
    expect(await one.now()).toMatchObject({
      status: 'completed',
      counts: { failed: 1, running: 0, waiting: 0 },
    })
  })

  test('until its last try, what had succeeded is undone, and what may have been done', async () => {
    const { workflow, acts } = saga()
    const one = await startOne(failStep(workflow, step, Infinity), userId(1))
    expect(await one.run()).toMatchObject({ status: 'failed' })
    const wanted = await undosOf(one, expected[step])
    expect(undos(acts).filter((act) => !act.endsWith('null'))).toEqual(wanted)
    expect(acts.filter((act) => act.endsWith('null'))).toEqual([`undo ${step} of null`])
  })

  test('fewer times than it is tried, nothing is undone', async () => {
    const { workflow, acts } = saga()
    const one = await startOne(failStep(workflow, step, 3), userId(1))
    expect(await one.run()).toMatchObject({ status: 'succeeded' })
    expect(acts.toSorted()).toEqual([...sagaSteps])
  })

  test.each(['before', 'after'] as const)(
    'by a Worker that is killed %s its work, it is done once',
    async (when) => {
      const { workflow, acts } = saga()
      const kill = killIn(workflow, step, when)
      const one = await startOne(kill.workflow, userId(1))
      expect(await one.run({ ...kill.options, concurrency: 1 })).toMatchObject({ status: 'succeeded' })
      expect(acts.toSorted()).toEqual([...sagaSteps])
    },
  )
})

test('a run that dies is undone by another one', async () => {
  const { workflow, acts } = saga()
  const one = await startOne(workflow, userId(1))
  const runs = new Set<string | undefined>()
  // The item's run is not delivered any more once a, b and c are done.
  const fate = (delivery: PendingDelivery): Fate => {
    if (!isItem(delivery) || isFailureCallback(delivery)) return 'normal'
    const run = delivery.headers['upstash-workflow-runid']
    if (acts.length === 3) runs.add(run)
    return runs.has(run) && runs.size === 1 ? 'lost' : 'normal'
  }
  const item = await one.run({ fate, concurrency: 1 })
  expect(item).toMatchObject({ status: 'failed', attempt: 2, error: { name: 'RunFailed' } })
  await expectActs(one, acts, expected.d)
})

test('what cannot be undone is said, and everything else is undone', async () => {
  const { workflow, acts } = saga()
  const stuck = withUndo(workflow, 'b', () => Promise.reject(new PermanentError('b is stuck')))
  const one = await startOne(failStep(stuck, 'd', 1, new PermanentError('no')), userId(1))
  const item = await one.run()
  expect(item).toMatchObject({ status: 'failed', error: { name: 'UndoFailed', step: 'b' } })
  expect(item.error?.message).toContain('b is stuck')
  await expectActs(one, acts, ['a', 'b', 'c', 'undo c of "c"', 'undo a of "a"'])
})

test('a step that ends only now, after the run has looked, is undone with its result', async () => {
  const { workflow, acts } = saga()
  const one = await startOne(withTools(workflow, [], noteLate), userId(1))
  async function finishLate() {
    await one.services.db.execute(
      sql`update item_steps set status = 'done', result = '"late"', lease_until = null where name = 'a'`,
    )
  }
  function noteLate(tools: ItemTools): ItemTools {
    return {
      ...tools,
      step: async (name, work, options) => {
        if (late && name === 'a') await finishLate()
        return await tools.step(name, work, options)
      },
    }
  }
  let late = false
  await one.deliver({ until: () => acts.length === 1, concurrency: 1 })
  await one.services.db.execute(
    sql`update item_steps set status = 'running', result = null, uncertain = true where name = 'a'`,
  )
  late = true
  await one.act('cancel')
  expect(await one.run()).toMatchObject({ status: 'cancelled' })
  expect(acts).toEqual(['a', 'undo a of "late"'])
})

describe('a step that is under way when it asks for patience', () => {
  const pending = new RetryLaterError('the bank has not decided', 60, { slows: false, underWay: true })

  test('is asked again later, and the batch goes on as fast as before', async () => {
    const { workflow, acts } = saga()
    const one = await startOne(failStep(workflow, 'd', 2, pending), userId(1))
    await one.runUntilWaiting({ longestSkipMs: 30_000 })
    expect(await one.now()).toMatchObject({ throttledRate: null, counts: { queued: 1 } })
    expect(await one.run()).toMatchObject({ status: 'succeeded' })
    expect(acts.toSorted()).toEqual([...sagaSteps])
  })

  test('is undone too when its batch is cancelled meanwhile', async () => {
    const { workflow, acts } = saga()
    const one = await startOne(failStep(workflow, 'd', Infinity, pending), userId(1))
    await one.runUntilWaiting({ longestSkipMs: 30_000 })
    await one.act('cancel')
    expect(await one.run()).toMatchObject({ status: 'cancelled' })
    expect(undos(acts)).toEqual(['undo d of null', ...(await undosOf(one, expected.d))])
  })
})

test('the history tells the tries of an undo from those of its step', async () => {
  const { workflow } = saga()
  let left = 2
  const slow = withUndo(workflow, 'a', async () => {
    left -= 1
    if (left >= 0) throw new Error('the undo fails')
  })
  const one = await startOne(failStep(slow, 'd', Infinity, new Error('d is broken')), userId(1))
  await one.run()
  const [a] = await one.history()
  expect(a).toMatchObject({ name: 'a', status: 'undone', tries: 1, undoTries: 3, undoError: null })
  const d = (await one.history()).find(({ name }) => name === 'd')
  expect(d).toMatchObject({ status: 'undone', tries: 4, undoTries: 1, error: { message: 'd is broken' } })
})

test('a retry after everything was undone does everything anew, under other keys', async () => {
  const { workflow, acts } = saga()
  const one = await startOne(failStep(workflow, 'd', 1, new PermanentError('no')), userId(1))
  await one.run()
  // Before the retry: what is begun anew may begin in another order.
  await expectActs(one, acts, expected.d)
  expect(await one.act('retry', { all: true })).toMatchObject({
    status: 200,
    body: { retried: 1 },
  })
  expect(await one.run()).toMatchObject({ status: 'succeeded' })
  expect(acts.slice(6).toSorted()).toEqual(['a', 'b', 'c', 'd'])
  const { rows } = await one.services.db.execute(
    sql`select count(*)::int as n from item_steps where round = 2`,
  )
  expect(rows).toEqual([{ n: 4 }])
})
