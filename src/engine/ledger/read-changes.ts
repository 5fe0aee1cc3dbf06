import { and, asc, desc, eq, gt, lt } from 'drizzle-orm'
import type { Db } from '../../db/client.ts'
import { changes } from '../../db/schema.ts'

export type Change = typeof changes.$inferSelect

/** Changes, latest first, from before the id `cursor`. */
export const listChanges = (
  db: Db,
  filter: {
    batchId?: string | undefined
    workflow?: string | undefined
    actor?: string | undefined
    cursor?: number | undefined
    count: number
  },
): Promise<Change[]> =>
  db
    .select()
    .from(changes)
    .where(
      and(
        filter.batchId === undefined ? undefined : eq(changes.batchId, filter.batchId),
        filter.workflow === undefined ? undefined : eq(changes.workflow, filter.workflow),
        filter.actor === undefined ? undefined : eq(changes.actor, filter.actor),
        filter.cursor === undefined ? undefined : lt(changes.id, filter.cursor),
      ),
    )
    .orderBy(desc(changes.id))
    .limit(filter.count)

/** Query of a batch's changes after an id, in the order in which they were made. */
export const changesAfter = (db: Db, batchId: string, id: number, count: number) =>
  db
    .select()
    .from(changes)
    .where(and(eq(changes.batchId, batchId), gt(changes.id, id)))
    .orderBy(asc(changes.id))
    .limit(count)
