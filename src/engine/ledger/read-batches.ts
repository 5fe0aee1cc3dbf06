import { and, desc, eq, getTableColumns, lt, not, sql } from 'drizzle-orm'
import type { Db } from '../../db/client.ts'
import { hasUnfinished } from './bounds.ts'
import { batches, plans, type batchStatuses } from '../../db/schema.ts'

type BatchStatus = (typeof batchStatuses)[number]

const batchColumns = {
  ...getTableColumns(batches),
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

/** Query of one batch with its plan. */
export const batchById = (db: Db, id: string) => selectBatches(db).where(eq(batches.id, id))

/** One batch with its plan, or undefined. */
export async function findBatch(db: Db, id: string): Promise<BatchWithPlan | undefined> {
  const [batch] = await batchById(db, id)
  return batch
}

/** It, or an item of it, has not ended. */
const isUnfinished = sql`(
  ${batches.status} in ('queued', 'starting', 'running', 'paused') or ${hasUnfinished(sql`${batches}`)})`

/** Batches, latest first, from before the id `cursor`. */
export const listBatches = (
  db: Db,
  filter: { workflow?: string; status?: BatchStatus; open?: boolean; cursor?: string; count: number },
): Promise<BatchWithPlan[]> =>
  selectBatches(db)
    .where(
      and(
        filter.workflow === undefined ? undefined : eq(batches.workflow, filter.workflow),
        filter.status === undefined ? undefined : eq(batches.status, filter.status),
        filter.open === undefined ? undefined : filter.open ? isUnfinished : not(isUnfinished),
        filter.cursor === undefined ? undefined : lt(batches.id, filter.cursor),
      ),
    )
    .orderBy(desc(batches.id))
    .limit(filter.count)
