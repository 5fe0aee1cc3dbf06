import { beforeEach, describe, expect, test } from 'vitest'
import { openBatch } from '../../src/engine/ledger/open-batch.ts'
import { beginBatch } from '../../src/engine/ledger/begin-batch.ts'
import { recordPage } from '../../src/engine/ledger/record-page.ts'
import { pinPace } from '../../src/engine/pace.ts'
import { planBatch } from '../../src/engine/plan-batch.ts'
import { reconcile } from '../../src/engine/reconcile.ts'
import { batchRuns } from '../../src/engine/run-logs.ts'
import { itemRun, triggerRuns, workflowRunId } from '../../src/engine/trigger.ts'
import { insertUsers, userId } from '../support/population.ts'
import { healsOf } from '../support/reconciling.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { toyWorkflow } from '../support/toy.ts'
import { newBatch } from './ledger/ledger.ts'

beforeEach(resetEverything)

const worked: string[] = []
const toy = toyWorkflow(
  (_, id) => {
    worked.push(id)
    return Promise.resolve({ text: id })
  },
  { pageSize: 100, chunkSize: 100 },
)

/** A batch whose every item is recorded and outstanding; their runs were triggered but for those in `lost`. */
async function outstanding(users: number, lost: ReadonlySet<string>) {
  worked.length = 0
  const app = rounds([toy])
  const { services } = app
  const { db } = services
  await insertUsers(db, users)
  const { batch } = await openBatch(db, newBatch('one', { maxOutstanding: users }))
  const { id } = batch
  await pinPace(services, toy, batch)
  await beginBatch(db, id, await planBatch(services, 'one', { ...batch, workflow: toy }))
  const selection = { workflow: toy, params: { tag: '' }, scope: '', force: false }
  let cursor: string | null = null
  for (let page = 1; page <= Math.ceil(users / 100); page += 1) {
    const recorded = await recordPage(db, { batchId: id, page, cursor, size: 100 }, selection)
    const items = recorded?.items.filter((item) => !lost.has(item.id)) ?? []
    cursor = recorded?.nextCursor ?? null
    await triggerRuns(
      services,
      toy,
      items.map((item) => itemRun(toy, id, item)),
    )
  }
  return { ...app, id, tick: () => reconcile(services, [toy], { graceSeconds: 0 }) }
}

describe('with 400 items outstanding', () => {
  test('those that are lost are found among those that are alive', async () => {
    const lost = [userId(1), userId(200), userId(400)]
    const app = await outstanding(400, new Set(lost))
    await app.tick()
    await app.tick()
    const heals = await healsOf(app, app.id)
    expect(heals.length).toBe(lost.length)
    for (const itemId of lost) {
      expect(heals).toContainEqual(expect.objectContaining({ after: { itemId, attempt: 2 } }))
    }
    await app.deliver({ concurrency: 8 })
    expect(await app.batch(app.id)).toMatchObject({ status: 'completed', counts: { succeeded: 400 } })
    expect(worked.length).toBe(400)
    expect(new Set(worked).size).toBe(400)
  })

  test('or fewer, all get new runs in one tick when all are lost', async () => {
    const all = new Set(Array.from({ length: 250 }, (_, index) => userId(index + 1)))
    const app = await outstanding(250, all)
    expect(await app.deliver()).toEqual([])
    await app.tick()
    await app.deliver({ concurrency: 8 })
    expect(await app.batch(app.id)).toMatchObject({ status: 'completed', counts: { succeeded: 250 } })
    expect(worked.length).toBe(250)
  })
})

const run = (workflowRunId: string, workflowState: string, more: object = {}) => ({
  workflowRunId,
  workflowState,
  workflowUrl: 'https://rounds.test/api/workflows/toy/execute-user',
  ...more,
})
const hourAgo = Date.now() - 3_600_000
const failed = (state: string, workflowRunCompletedAt = Date.now(), failResponse = 'no') => ({
  workflowRunCompletedAt,
  failureFunction: { state, failResponse },
})
const message = '{"error":"Error","message":"out of reach"}'
const unreported = (reason: string) => ({ is: 'unreported', reason })

describe('what QStash says of runs', () => {
  const batchId = '01a00000-0000-7000-8000-000000000001'
  const { services } = rounds([toy])
  const itemOf = (n: number) => itemRun(toy, batchId, { id: userId(n), attempt: 1 })
  const idOf = async (n: number) => `wfr_${await workflowRunId(services.env, toy, itemOf(n))}`

  type Asked = { state?: string | undefined; workflowRunId?: string | undefined }

  /** The runs as a QStash would list them that answers so. */
  async function listed(answer: (asked: Asked) => unknown, lookups = 100) {
    const asked: Asked[] = []
    const logs = ({ filter = {} }: { filter?: Asked } = {}) => {
      asked.push(filter)
      return Promise.resolve(answer(filter))
    }
    const client = Object.assign(Object.create(services.client), { logs })
    const budget = { left: lookups }
    return { runs: await batchRuns({ ...services, client }, toy, batchId, budget), asked, budget }
  }

  test('is asked for singly where there are too many to list, and no more often than agreed', async () => {
    const second = await idOf(2)
    const endless = ({ workflowRunId, state = '' }: Asked) => {
      if (workflowRunId === undefined) return { cursor: 'more', runs: [run('wfr_other', state)] }
      return { runs: workflowRunId === second ? [run(second, 'RUN_STARTED')] : [] }
    }
    const { runs, asked, budget } = await listed(endless, 2)
    expect(await runs.fateOf(itemOf(1))).toEqual({ is: 'gone' })
    expect(await runs.fateOf(itemOf(2))).toEqual({ is: 'alive' })
    expect(await runs.fateOf(itemOf(3))).toEqual({ is: 'unknown' })
    expect(asked.length).toBeLessThanOrEqual(112)
    expect(budget).toEqual({ left: 0 })
  })

  test('may be nothing at all', async () => {
    const { runs, asked } = await listed(() => ({ runs: null, cursor: '' }))
    expect(runs.anyAlive('execute')).toBe(false)
    expect(await runs.fateOf(itemOf(1))).toEqual({ is: 'gone' })
    expect(asked.length).toBe(2)
  })

  test.each([
    ['reporting that', 'RUN_FAILED', failed('CALLBACK_INPROGRESS'), { is: 'alive' }],
    ['still reporting after an hour', 'RUN_FAILED', failed('CALLBACK_INPROGRESS', hourAgo), unreported('no')],
    ['not reporting it', 'RUN_FAILED', failed('CALLBACK_CANCELED'), unreported('no')],
    ['reported', 'RUN_FAILED', failed('CALLBACK_SUCCESS'), { is: 'gone' }],
    ['said no more of', 'RUN_FAILED', {}, unreported('its deliveries failed')],
    ['explained', 'RUN_FAILED', failed('CALLBACK_FAIL', Date.now(), message), unreported('out of reach')],
    ['no failure at all', 'RUN_CANCELED', {}, { is: 'gone' }],
  ])('of one that failed is understood: %s', async (_, state, more, fate) => {
    const id = await idOf(1)
    const { runs } = await listed(({ state: asked }) => ({
      runs: asked === 'RUN_FAILED' ? [run(id, state, more)] : [],
    }))
    expect(await runs.fateOf(itemOf(1))).toEqual(fate)
  })

  test('in another shape than is known is an error', async () => {
    await expect(listed(() => ({ runs: [{ id: 1 }] }))).rejects.toThrow('workflowRunId')
  })
})
