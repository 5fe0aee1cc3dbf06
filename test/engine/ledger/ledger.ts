import { sql } from 'drizzle-orm'
import type { Db } from '../../../src/db/client.ts'
import { boundsOf, type AskedBounds } from '../../../src/engine/bounds-of-start.ts'
import { beginBatch } from '../../../src/engine/ledger/begin-batch.ts'
import type { By } from '../../../src/engine/ledger/changes.ts'
import { claimItem } from '../../../src/engine/ledger/claim.ts'
import { saveItem, type Outcome } from '../../../src/engine/ledger/end-item.ts'
import { openBatch, type NewBatch } from '../../../src/engine/ledger/open-batch.ts'
import { recordPage } from '../../../src/engine/ledger/record-page.ts'
import { planBatch } from '../../../src/engine/plan-batch.ts'
import { insertUsers } from '../../support/population.ts'
import { rounds } from '../../support/rounds.ts'
import { toyWorkflow } from '../../support/toy.ts'

/** The ledger without its layers: a workflow over users, in pages of 100, and the statements on its batches. */

export const workflow = toyWorkflow(() => Promise.resolve({ text: '' }), { pageSize: 100 })
export const { services } = rounds([workflow])
export const selection = { workflow, params: { tag: '' }, scope: '', force: false }
export const by: By = { actor: 'test', reason: null }

export const nothingUsed = { inputTokens: 0, outputTokens: 0, workMs: 1 }
export const done: Outcome = {
  status: 'succeeded',
  data: { text: 'done' },
  model: null,
  freshForSeconds: null,
  prepared: false,
}
const error = { name: 'Error', message: 'no', step: 'execute', fingerprint: 'no' }
export const failed: Outcome = { status: 'failed', error }
export const again: Outcome = { status: 'queued', again: 'same_run', slows: false, error }

export const times = <T>(count: number, make: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => make(index)))

export const newBatch = (startKey: string, bounds: AskedBounds = {}): NewBatch => ({
  workflow,
  startKey,
  startedBy: 'api',
  by,
  params: { tag: '' },
  force: false,
  limit: null,
  bounds: boundsOf(services, workflow, bounds),
  startPlanId: null,
  sampleId: null,
  options: {},
})

/** A batch that has begun, over the users there are. */
export async function begunBatch(db: Db, startKey: string, bounds: AskedBounds = {}): Promise<string> {
  const { batch } = await openBatch(db, newBatch(startKey, bounds))
  await beginBatch(db, batch.id, await planBatch(services, startKey, { ...batch, workflow }))
  return batch.id
}

export const record = (db: Db, batchId: string, page: number, cursor: string | null, size = 100) =>
  recordPage(db, { batchId, page, cursor, size }, { ...selection, workflow: { ...workflow, pageSize: size } })

/** A running batch over `users` users, its first page recorded. */
export async function runningBatch(db: Db, users: number, bounds: AskedBounds = {}): Promise<string> {
  await insertUsers(db, users)
  const batchId = await begunBatch(db, 'one', bounds)
  await record(db, batchId, 1, null)
  return batchId
}

export const claim = (db: Db, batchId: string, itemId: string, attempt = 1) =>
  claimItem(db, workflow, { batchId, itemId, attempt }, { token: crypto.randomUUID(), seconds: 60 })

/** Claims an item and ends it so; false: it was not there to claim. */
export async function workOn(
  db: Db,
  batchId: string,
  itemId: string,
  outcome = done,
  used = nothingUsed,
): Promise<boolean> {
  const claimed = await claim(db, batchId, itemId)
  if (claimed.outcome !== 'claimed') return false
  await saveItem(db, { batchId, itemId, token: claimed.token, pageSize: 100 }, outcome, used)
  return true
}

/** The batch's counters beside what its item rows say. */
export async function audit(db: Db, batchId: string) {
  const { rows } = await db.execute(sql`
    select b.status, b.recorded, b.running, b.succeeded, b.skipped, b.failed, b.cancelled,
      (select count(*)::int from batch_items i where i.batch_id = b.id) as items,
      (select count(*)::int from batch_items i where i.batch_id = b.id and i.status = 'running') as "itemsRunning",
      (select count(*)::int from batch_items i where i.batch_id = b.id and i.status = 'succeeded') as "itemsSucceeded",
      (select count(*)::int from batch_items i where i.batch_id = b.id and i.status = 'failed') as "itemsFailed",
      (select count(*)::int from batch_items i where i.batch_id = b.id and i.status = 'cancelled') as "itemsCancelled",
      (select count(*)::int from results) as results
    from batches b where b.id = ${batchId}::uuid`)
  return rows[0] ?? {}
}
