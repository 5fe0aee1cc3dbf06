import { beforeEach, expect, test } from 'vitest'
import { PermanentError } from '../../../src/errors.ts'
import { reconcile } from '../../../src/engine/reconcile.ts'
import { insertUsers, userId } from '../../support/population.ts'
import { resetEverything, rounds } from '../../support/rounds.ts'
import { durableToy } from '../../support/toy.ts'
import { caller } from './caller.ts'

beforeEach(resetEverything)

test('an invoker that had failed when the end came hears of it when it is tried again', async () => {
  let fails = true
  const toy = durableToy(async (_, { sleep }) => {
    await sleep('long', '20 hours')
    return { text: 'late' }
  })
  const own = caller('30 days', {
    before: (tools) => {
      void tools.step('beside', async () => {
        if (fails) throw new PermanentError('no')
      })
    },
  })
  const app = rounds([toy, own])
  await insertUsers(app.services.db, 1)
  const { id } = await app.start('caller')
  await app.deliver()
  const item = async () => (await app.call('GET', `/api/admin/batches/${id}/items/${userId(1)}`)).body
  expect(await item()).toMatchObject({ status: 'failed' })
  fails = false
  await app.call('POST', `/api/admin/batches/${id}/retry`, { all: true, confirm: true })
  await app.deliver({ longestSkipMs: 900_000 })
  await reconcile(app.services, [toy, own], { graceSeconds: 0 })
  await app.deliver({ longestSkipMs: 900_000 })
  expect(await item()).toMatchObject({ status: 'succeeded' })
})
