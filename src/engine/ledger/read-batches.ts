import { and, asc, desc, eq, getTableColumns, gt, lt, sql } from 'drizzle-orm'
import type { Db } from '../../db/client.ts'
import { batches, batchItems, plans, type batchStatuses, type itemStatuses } from '../../db/schema.ts'

type BatchStatus = (typeof batchStatuses)[number]
type ItemStatus = (typeof itemStatuses)[number]

const countOf = (status: 'queued' | 'running' | 'waiting') => sql<number>`(
  select count(*)::int from batch_items i where i.batch_id = ${batches.id} and i.status = ${status})`

const batchColumns = {
  ...getTableColumns(batches),
  queued: countOf('queued').as('queued'),
  running: countOf('running').as('running'),
  waiting: countOf('waiting').as('waiting'),
  plan: {
    id: plans.id,
    totalEligible: plans.totalEligible,
    alreadyProcessed: plans.alreadyProcessed,
    held: plans.held,
    toProcess: plans.toProcess,
  },
}

const selectBatches = (db: Db) =>
  db.select(batchColumns).from(batches).leftJoin(plans, eq(plans.id, batches.planId))

export type BatchWithPlan = Awaited<ReturnType<typeof selectBatches>>[number]

/** One batch with its plan, or undefined. */
export async function findBatch(db: Db, id: string): Promise<BatchWithPlan | undefined> {
  const [batch] = await selectBatches(db).where(eq(batches.id, id))
  return batch
}

/** Batches, latest first, from before the id `cursor`. */
export const listBatches = (
  db: Db,
  filter: { workflow?: string; status?: BatchStatus; cursor?: string; count: number },
): Promise<BatchWithPlan[]> =>
  selectBatches(db)
    .where(
      and(
        filter.workflow === undefined ? undefined : eq(batches.workflow, filter.workflow),
        filter.status === undefined ? undefined : eq(batches.status, filter.status),
        filter.cursor === undefined ? undefined : lt(batches.id, filter.cursor),
      ),
    )
    .orderBy(desc(batches.id))
    .limit(filter.count)

export type Item = typeof batchItems.$inferSelect

/** Items of a batch by id, from after the id `cursor`. */
export const listItems = (
  db: Db,
  batchId: string,
  filter: { status?: ItemStatus; cursor?: string; count: number },
): Promise<Item[]> =>
  db
    .select()
    .from(batchItems)
    .where(
      and(
        eq(batchItems.batchId, batchId),
        filter.status === undefined ? undefined : eq(batchItems.status, filter.status),
        filter.cursor === undefined ? undefined : gt(batchItems.itemId, filter.cursor),
      ),
    )
    .orderBy(asc(batchItems.itemId))
    .limit(filter.count)

export type StoredPlan = typeof plans.$inferSelect

/** Plans, latest first, from before the id `cursor`. */
export const listPlans = (
  db: Db,
  filter: { workflow?: string; cursor?: string; count: number },
): Promise<StoredPlan[]> =>
  db
    .select()
    .from(plans)
    .where(
      and(
        filter.workflow === undefined ? undefined : eq(plans.workflow, filter.workflow),
        filter.cursor === undefined ? undefined : lt(plans.id, filter.cursor),
      ),
    )
    .orderBy(desc(plans.id))
    .limit(filter.count)
