import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { PermanentError } from '../../src/errors.ts'
import { skip } from '../../src/workflows/contract.ts'
import { isItem } from '../support/deliveries.ts'
import { insertUsers, userId } from '../support/population.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { runToy, started } from '../support/started.ts'
import { toyWorkflow } from '../support/toy.ts'
import { bearer } from './bearer.ts'
import { expectError, invalidRequest, notFound } from './error-shape.ts'
import { proof } from './proofs.ts'

beforeEach(resetEverything)

/** Ends as its number says: every fifth fails, every third is skipped. */
const mixed = (_: unknown, id: string) => {
  const n = Number(id.slice(1))
  if (n % 5 === 0) throw new PermanentError(`no text for ${id}`)
  return Promise.resolve(n % 3 === 0 ? skip('too short') : { text: id })
}
const counts = { recorded: 30, queued: 0, running: 0, succeeded: 16, skipped: 8, failed: 6, cancelled: 0 }

describe('the proof of a batch', () => {
  test('balances when it has ended, with what became of everyone by two counts', async () => {
    const { id, ...app } = await runToy(30, mixed)
    expect(await proof(app, id)).toMatchObject({
      batchId: id,
      status: 'completed',
      balanced: true,
      open: 0,
      mismatches: [],
      counters: counts,
      items: counts,
      tries: 30,
      workedOnAgain: 0,
      duplicatesRefused: 0,
      plan: { toProcess: 30, drift: { items: 0, percent: 0 } },
      startPlan: null,
      notReached: 0,
      healed: { total: 0, byAction: {}, latest: [] },
      retried: { requests: 0, items: 0 },
    })
  })

  test('of one that found nothing to do balances too', async () => {
    const { id, ...app } = await runToy(0, mixed)
    expect(await proof(app, id)).toMatchObject({
      balanced: true,
      tries: 0,
      counters: { recorded: 0 },
      items: { recorded: 0 },
      plan: { toProcess: 0, drift: { items: 0, percent: 0 } },
    })
  })

  test.each(['starting', 'running', 'paused'])('of one that is %s does not balance yet', async (status) => {
    const { id, act, deliver, worked, ...app } = await started(60, { pageSize: 10, maxOutstanding: 20 })
    if (status !== 'starting') await deliver({ concurrency: 1, until: () => worked.length >= 5 })
    if (status === 'paused') await act('pause')
    const seen = await proof(app, id)
    expect(seen).toMatchObject({ status, balanced: false, mismatches: [], workedOnAgain: 0 })
    expect(seen.items).toEqual(seen.counters)
    expect(seen.open).toBe(seen.items.queued + seen.items.running)
    expect(seen.notReached).toBe(status === 'starting' ? null : 60 - seen.items.recorded)
  })

  test('of one that was cancelled half-way balances when what had started has finished', async () => {
    const { promise: held, resolve: finish } = Promise.withResolvers<void>()
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    const work = async (_: unknown, id: string) => {
      if (id === userId(3)) {
        begin()
        await held
      }
      return { text: id }
    }
    const app = rounds([toyWorkflow(work, { pageSize: 5 })])
    await insertUsers(app.services.db, 20)
    const { id } = await app.start('toy')
    const delivering = app.deliver({ concurrency: 1 })
    await begun
    await app.call('POST', `/api/admin/batches/${id}/cancel`)
    expect(await proof(app, id)).toMatchObject({ balanced: false, open: 1, counters: { running: 1 } })
    finish()
    await delivering
    const after = await proof(app, id)
    expect(after).toMatchObject({ balanced: true, open: 0, workedOnAgain: 0 })
    expect(after.counters.succeeded + after.counters.cancelled).toBe(after.counters.recorded)
    expect(after.notReached).toBe(20 - after.counters.recorded)
    expect(after.plan?.drift.items).toBe(after.counters.recorded - 20)
  })

  test('does not balance when a counter and the items disagree, and names which', async () => {
    const { id, services, ...app } = await runToy(30, mixed)
    await services.db.execute(sql`
      update batches set succeeded = succeeded - 1, failed = failed + 1, input_tokens = 7`)
    expect(await proof({ ...app }, id)).toMatchObject({
      balanced: false,
      mismatches: ['succeeded', 'failed', 'inputTokens'],
      counters: { succeeded: 15, failed: 7, inputTokens: 7 },
      items: { succeeded: 16, failed: 6, inputTokens: 0 },
    })
    await services.db.execute(sql`delete from batch_items where item_id = ${userId(1)}`)
    expect((await proof(app, id)).mismatches).toContain('recorded')
  })

  test('shows when an item was worked on after its result was stored', async () => {
    const { id, services, ...app } = await runToy(10, mixed)
    await services.db.execute(sql`
      update batch_items set status = 'running' where item_id in (${userId(1)}, ${userId(2)}, ${userId(3)})`)
    expect((await proof(app, id)).workedOnAgain).toBe(2 + 2)
    await services.db.execute(sql`
      update batch_items set status = 'succeeded' where item_id in (${userId(1)}, ${userId(2)})`)
    await services.db.execute(sql`update batches set recorded = recorded + 1, succeeded = succeeded + 1`)
    expect((await proof(app, id)).workedOnAgain).toBe(1)
  })

  test('does not take the result of an earlier batch for one of this', async () => {
    let broken = false
    const { id, ...app } = await runToy(3, (_, user) =>
      broken ? Promise.reject(new PermanentError('broken')) : Promise.resolve({ text: user }),
    )
    broken = true
    const again = await app.start('toy', { force: true })
    await app.deliver()
    expect(await proof(app, again.id)).toMatchObject({
      balanced: true,
      workedOnAgain: 0,
      items: { failed: 3 },
    })
    expect(await proof(app, id)).toMatchObject({ balanced: true, workedOnAgain: 0, items: { succeeded: 3 } })
  })

  test('counts tries, and deliveries that were refused as duplicates', async () => {
    const tried = new Set<string>()
    const app = rounds([
      toyWorkflow((_, id) => {
        if (tried.has(id)) return Promise.resolve({ text: id })
        tried.add(id)
        throw new Error('not at first')
      }),
    ])
    await insertUsers(app.services.db, 4)
    const { id } = await app.start('toy')
    let repeated = 0
    await app.deliver({
      concurrency: 1,
      fate: (delivery) => (isItem(delivery) && tried.size === 4 && repeated++ < 4 ? 'twice' : 'normal'),
    })
    const seen = await proof(app, id)
    expect(seen).toMatchObject({ balanced: true, tries: 8, workedOnAgain: 0, counters: { succeeded: 4 } })
    expect(seen.duplicatesRefused).toBeGreaterThan(0)
  })

  test('shows what was planned, by the batch and by the plan it was started from, and how that drifted', async () => {
    const app = rounds([toyWorkflow((_, id) => Promise.resolve({ text: id }))])
    await insertUsers(app.services.db, 8)
    const path = '/api/admin/workflows/toy/batches'
    const dryRun = await app.call('POST', path, { dryRun: true })
    await app.services.db.execute(sql`delete from users where id > ${userId(6)}`)
    const { planId } = Object(dryRun.body)
    const { id } = await app.start('toy', { planId, maxDriftPercent: 50 })
    let planned = false
    await app.deliver({
      concurrency: 1,
      fate: ({ url }) => {
        planned = url.endsWith('/process-users')
        return 'normal'
      },
      until: () => planned,
    })
    await app.services.db.execute(sql`delete from users where id > ${userId(3)}`)
    await app.deliver()
    expect(await proof(app, id)).toMatchObject({
      balanced: true,
      counters: { recorded: 3 },
      plan: { toProcess: 6, drift: { items: -3, percent: -50 } },
      startPlan: { id: planId, toProcess: 8, drift: { items: -5, percent: -62.5 } },
      notReached: 3,
    })
  })

  test('is for viewers too', async () => {
    const { id, ...app } = await runToy(2, mixed)
    const viewer = await bearer(rounds(), 'looker', 'viewer')
    const answer = await app.call('GET', `/api/admin/batches/${id}/proof`, undefined, viewer)
    expect(answer).toMatchObject({ status: 200, body: { balanced: true } })
  })

  test('of a batch that is not there is refused', async () => {
    const app = rounds()
    const path = '/api/admin/batches/01a00000-0000-7000-8000-00000000dead/proof'
    for (const format of ['', '.ndjson']) {
      expectError(await app.call('GET', path + format), notFound)
      expectError(await app.call('GET', `/api/admin/batches/7/proof${format}`), invalidRequest)
    }
  })
})
