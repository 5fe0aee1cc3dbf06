import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { PermanentError } from '../../../src/errors.ts'
import type { Handler } from '../../../src/workflows/contract.ts'
import { startOne } from '../../support/durable.ts'
import { insertUsers, userId } from '../../support/population.ts'
import { resetEverything, rounds } from '../../support/rounds.ts'
import { durableToy } from '../../support/toy.ts'
import { subjects } from '../../support/outside.ts'

beforeEach(resetEverything)

type Toy = Handler<{ tag: string }, { text: string }>

const old: Toy = async (_, { step, sleep }) => {
  await step('old', async () => 'old')
  await sleep('rest', '7 days')
  return { text: await step('end', async () => 'the old way') }
}
const current: Toy = async (_, { step }) => ({ text: await step('new', async () => 'the new way') })

const failing =
  (fails: { now: boolean }): Toy =>
  async (_, { step }) => {
    const letter = { to: 'ada@example.com', subject: 'Hello', text: '…' }
    await step('mail', ({ mail }) => mail.send(letter))
    await step('more', async () => {
      if (fails.now) throw new PermanentError('no')
    })
    return { text: 'ok' }
  }

describe('a handler of a new version', () => {
  test('takes new items, while items that have begun are finished by the old one', async () => {
    const before = rounds([durableToy({ 1: old }, { completion: 'started' })])
    await insertUsers(before.services.db, 2)
    await before.start('toy')
    await before.deliver({ longestSkipMs: 900_000 })
    const after = rounds([durableToy({ 1: old, 2: current }, { completion: 'started' })])
    await after.services.db.execute(sql`delete from users`)
    await insertUsers(after.services.db, 4)
    await after.start('toy')
    await after.deliver()
    const { rows } = await after.services.db.execute(
      sql`select i.item_id, i.handler, i.status, r.data->>'text' as text
        from batch_items i join results r using (workflow, item_id) order by item_id`,
    )
    expect(rows).toEqual([
      { item_id: userId(1), handler: 1, status: 'succeeded', text: 'the old way' },
      { item_id: userId(2), handler: 1, status: 'succeeded', text: 'the old way' },
      { item_id: userId(3), handler: 2, status: 'succeeded', text: 'the new way' },
      { item_id: userId(4), handler: 2, status: 'succeeded', text: 'the new way' },
    ])
  })
})

describe('an item that failed after it had acted', () => {
  test('goes on from where it failed when it is tried again, and is not begun anew by the next batch', async () => {
    const fails = { now: true }
    const app = rounds([durableToy(failing(fails), { uses: ['mail'] })])
    await insertUsers(app.services.db, 1)
    const { id } = await app.start('toy')
    await app.deliver()
    const next = await app.start('toy')
    await app.deliver()
    expect(await app.batch(next.id)).toMatchObject({
      status: 'completed',
      counts: { recorded: 0 },
      plan: { held: 1, toProcess: 0 },
    })
    fails.now = false
    await app.call('POST', `/api/admin/batches/${id}/retry`, { all: true, confirm: true })
    await app.deliver()
    expect(await app.batch(id)).toMatchObject({ status: 'completed', counts: { succeeded: 1, failed: 0 } })
    expect(await subjects()).toEqual(['Hello'])
  })

  test('is begun anew only by force, which says how many that are, and wants to be confirmed', async () => {
    const app = rounds([durableToy(failing({ now: true }), { uses: ['mail'] })])
    await insertUsers(app.services.db, 2)
    await app.start('toy')
    await app.deliver()
    const refused = await app.call('POST', '/api/admin/workflows/toy/batches', { force: true })
    expect(refused).toMatchObject({ status: 409, body: { error: { details: { again: 2, confirm: true } } } })
    await app.start('toy', { force: true, confirm: true })
    await app.deliver()
    expect(await subjects()).toHaveLength(4)
  })
})

/** How many items of such a workflow, which have failed, the next batch leaves alone. */
async function held(handler: Toy) {
  const app = rounds([durableToy(handler)])
  await insertUsers(app.services.db, 1)
  await app.start('toy')
  await app.deliver()
  const next = await app.start('toy')
  await app.deliver()
  return (await app.batch(next.id)).plan?.held
}

describe('an item that failed is not begun anew by the next batch', () => {
  test('when what it has done could not be undone', async () => {
    const acts: string[] = []
    const stuck: Toy = async (_, { step, compensate }) => {
      compensate('reserve', () => Promise.reject(new PermanentError('the warehouse is down')))
      await step('reserve', async () => void acts.push('reserve'))
      throw new PermanentError('no')
    }
    expect(await held(stuck)).toBe(1)
    expect(acts).toEqual(['reserve'])
  })

  test.each([
    [true, 1],
    [false, 0],
  ])('when a step that acts: %s has been done by means of its own', async (acts, expected) => {
    const texting: Toy = async (_, { step }) => {
      await step('text message', async () => undefined, { acts })
      throw new PermanentError('no')
    }
    expect(await held(texting)).toBe(expected)
  })
})

const paid = { text: 'paid' }

describe('an item whose handler is not deployed any more says what could not be undone', () => {
  test.each([
    ['when its batch is cancelled', false, /^the batch was cancelled; then pay could not be undone/],
    ['when its undoing was held', true, /^no; then pay could not be undone/],
  ])('%s', async (_, isHeld, message) => {
    const acts: string[] = []
    const turn = (on: boolean) => one.call('PUT', '/api/admin/kill-switches/toy', { on })
    const paying: Toy = async (__, { step, sleep, compensate }) => {
      compensate('pay', async () => void acts.push('refund'))
      await step('pay', async () => void acts.push('pay'))
      if (!isHeld) await sleep('week', '7 days')
      await step('last', async () => {
        await turn(true)
        throw new PermanentError('no')
      })
      return paid
    }
    await insertUsers(rounds([]).services.db, 1)
    const one = await startOne(durableToy({ 1: paying }), userId(1))
    await one.runUntilWaiting()
    await turn(false)
    const after = rounds([durableToy({ 2: current })])
    await after.call('POST', `/api/admin/batches/${one.batchId}/${isHeld ? 'resume' : 'cancel'}`)
    await after.deliver()
    expect(await one.item()).toMatchObject({
      status: 'failed',
      error: { message: expect.stringMatching(message) },
    })
    expect(acts).toEqual(['pay'])
  })
})
