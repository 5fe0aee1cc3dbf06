import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { PermanentError } from '../../../src/errors.ts'
import { approval } from '../../../src/workflows/approval.ts'
import { oneUser, start } from './one-user.ts'

beforeEach(oneUser)

describe('an approval', () => {
  test('that is asked for anew by a retry is decided anew', async () => {
    let fails = true
    const one = await start(async (_, tools) => {
      const decision = await approval(tools, 'ok', { subject: 's', details: {}, patience: '7 days' })
      await tools.step('last', async () => {
        if (fails) throw new PermanentError('no')
      })
      return { text: decision }
    })
    await one.runUntilWaiting()
    expect(await one.decide('approved')).toMatchObject({ status: 200 })
    expect(await one.run()).toMatchObject({ status: 'failed' })
    fails = false
    await one.act('retry', { all: true })
    expect(await one.runUntilWaiting()).toMatchObject({ status: 'waiting', waitingFor: 'ok.decision' })
    expect(await one.decide('rejected')).toMatchObject({ status: 200, body: { status: 'rejected' } })
    expect(await one.run()).toMatchObject({ status: 'succeeded' })
    const { rows } = await one.services.db.execute('select data from results')
    expect(rows).toEqual([{ data: { text: 'rejected' } }])
  })

  test('that expired can be given when a retry asks anew', async () => {
    const one = await start(async (_, tools) => {
      const decision = await approval(tools, 'ok', { subject: 's', details: {}, patience: '7 days' })
      if (decision !== 'approved') throw new PermanentError(decision)
      return { text: decision }
    })
    expect(await one.run()).toMatchObject({ status: 'failed' })
    await one.act('retry', { all: true })
    await one.runUntilWaiting()
    expect(await one.decide('approved')).toMatchObject({ status: 200, body: { status: 'approved' } })
    expect(await one.run()).toMatchObject({ status: 'succeeded' })
  })

  test('is not given once its time is over', async () => {
    const one = await start(async (_, tools) => ({
      text: await approval(tools, 'ok', { subject: 's', details: {}, patience: '7 days' }),
    }))
    await one.runUntilWaiting()
    await one.services.db.execute(sql`update approvals set expires_at = now() - interval '1 day'`)
    expect(await one.decide('approved')).toMatchObject({ status: 409 })
  })

  test('may be asked for with details of any kind', async () => {
    const one = await start(async (_, tools) => ({
      text: await approval(tools, 'ok', { subject: 's', details: null, patience: '7 days' }),
    }))
    expect(await one.runUntilWaiting()).toMatchObject({ status: 'waiting' })
    expect(await one.call('GET', '/api/admin/approvals')).toMatchObject({
      body: { data: [{ details: null }] },
    })
  })
})
