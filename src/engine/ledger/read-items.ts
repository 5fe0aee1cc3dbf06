import { and, asc, eq, gt } from 'drizzle-orm'
import type { Db } from '../../db/client.ts'
import { batchItems, type itemStatuses } from '../../db/schema.ts'

type ItemStatus = (typeof itemStatuses)[number]

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
