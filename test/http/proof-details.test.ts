import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { PermanentError } from '../../src/errors.ts'
import { userId } from '../support/population.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { runToy } from '../support/started.ts'
import { askModel } from '../support/toy.ts'
import { bearer } from './bearer.ts'
import { insertBatch, insertItems } from './many-items.ts'
import { deeds, proof } from './proofs.ts'

beforeEach(resetEverything)

describe('what the proof says of money', () => {
  test('is nothing of dollars without prices, and of a cap without a budget', async () => {
    const { id, ...app } = await runToy(2, askModel)
    const { spend } = await proof(app, id)
    expect(spend).toMatchObject({ usd: null, overshoot: { tokens: null, usd: null }, worstOvershoot: null })
    expect(spend.tokens).toBeGreaterThan(0)
  })

  test('is what was spent, the cap, what is above it, and how much that may be', async () => {
    const app = rounds()
    const id = await insertBatch(app.services.db, 1, 100, {
      budget: { tokens: 900, usd: 0.5 },
      inputUsdPerMillion: 1000,
      outputUsdPerMillion: 0,
      itemTokens: 120,
      itemUsd: 0.12,
    })
    await insertItems(app.services.db, id, { count: 10, tokens: 100 })
    const { spend, balanced } = await proof(app, id)
    expect(balanced).toBe(true)
    expect(spend).toMatchObject({
      tokens: 1000,
      usd: 1,
      overshoot: { tokens: 100, usd: 0.5 },
      reservedPerItem: { tokens: 120, usd: 0.12 },
      worstOvershoot: expect.stringContaining('reserved'),
    })
    await app.services.db.execute(sql`update batches set budget = '{"tokens": 5000}'`)
    expect((await proof(app, id)).spend.overshoot).toEqual({ tokens: 0, usd: null })
  })
})

describe('what the proof says of those who stepped in', () => {
  test('is who paused and resumed, and what was tried again', async () => {
    let broken = true
    const work = (_: unknown, id: string) =>
      broken ? Promise.reject(new PermanentError('broken')) : Promise.resolve({ text: id })
    const { id, ...app } = await runToy(6, work)
    const operator = await bearer(rounds(), 'olga', 'operator')
    broken = false
    const retry = (body: unknown) => app.call('POST', `/api/admin/batches/${id}/retry`, body, operator)
    await retry({ itemIds: [userId(1), userId(2)] })
    await app.call('POST', `/api/admin/batches/${id}/pause`, {}, operator)
    await app.call('POST', `/api/admin/batches/${id}/resume`, {})
    await app.deliver()
    await retry({ all: true })
    await app.deliver()
    const seen = await proof(app, id)
    expect(seen).toMatchObject({
      balanced: true,
      workedOnAgain: 0,
      tries: 12,
      counters: { succeeded: 6 },
      retried: { requests: 2, items: 6 },
    })
    expect(deeds(seen)).toEqual(
      expect.arrayContaining([
        '2 batch.retry by olga',
        '1 batch.pause by olga',
        '1 batch.resume by ADMIN_TOKEN',
        '3 batch.complete by rounds',
      ]),
    )
  })

  test('is what was healed: how often, and the latest 200', async () => {
    const { id, services, ...app } = await runToy(1, (_, id) => Promise.resolve({ text: id }))
    await services.db.execute(sql`
      insert into changes (actor, action, batch_id, after)
      select 'rounds', case when n % 5 = 0 then 'heal.page' else 'heal.item' end,
        case when n <= 250 then ${id}::uuid end, jsonb_build_object('n', n)
      from generate_series(1, 300) n`)
    const { healed } = await proof(app, id)
    expect(healed).toMatchObject({ total: 250, byAction: { 'heal.item': 200, 'heal.page': 50 } })
    expect(healed.latest).toHaveLength(200)
    expect(healed.latest[0]).toMatchObject({ action: 'heal.page', after: { n: 250 } })
    expect(healed.latest.map((change) => change.id)).toEqual(
      healed.latest.map((change) => change.id).toSorted((a, b) => b - a),
    )
  })
})
