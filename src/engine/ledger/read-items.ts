import { and, asc, desc, eq, gt } from 'drizzle-orm'
import type { Db } from '../../db/client.ts'
import { batches, batchItems, itemSteps, type itemStatuses } from '../../db/schema.ts'
import { withoutSort } from './without-sort.ts'

type ItemStatus = (typeof itemStatuses)[number]

export type Item = typeof batchItems.$inferSelect
export type ItemWithSteps = { item: Item; steps: (typeof itemSteps.$inferSelect)[] }

/** One item with its steps, in the order in which they were begun. */
export async function readItem(db: Db, batchId: string, itemId: string): Promise<ItemWithSteps | undefined> {
  const [[item], steps] = await db.batch([
    db
      .select()
      .from(batchItems)
      .where(and(eq(batchItems.batchId, batchId), eq(batchItems.itemId, itemId))),
    db
      .select()
      .from(itemSteps)
      .where(and(eq(itemSteps.batchId, batchId), eq(itemSteps.itemId, itemId)))
      .orderBy(asc(itemSteps.position)),
  ])
  return item === undefined ? undefined : { item, steps }
}

/** Query of a batch's items by id, from after the id `cursor`. */
export const listItems = (
  db: Db,
  batchId: string,
  filter: {
    status?: ItemStatus | undefined
    fingerprint?: string | undefined
    cursor?: string | undefined
    count: number
  },
) =>
  db
    .select()
    .from(batchItems)
    .where(
      and(
        eq(batchItems.batchId, batchId),
        filter.status === undefined ? undefined : eq(batchItems.status, filter.status),
        filter.fingerprint === undefined ? undefined : eq(batchItems.fingerprint, filter.fingerprint),
        filter.cursor === undefined ? undefined : gt(batchItems.itemId, filter.cursor),
      ),
    )
    .orderBy(asc(batchItems.itemId))
    .limit(filter.count)

/** So many batches of a workflow are looked into, each by its primary key: an index over all items would cost every move. */
export const batchesLookedInto = 1000

/** An item in the latest batches of a workflow, the latest first. */
export async function findItem(db: Db, workflow: string, itemId: string, count: number): Promise<Item[]> {
  const latest = db
    .select({ id: batches.id })
    .from(batches)
    .where(eq(batches.workflow, workflow))
    .orderBy(desc(batches.id))
    .limit(batchesLookedInto)
    .as('latest')
  const rows = await db
    .select({ item: batchItems })
    .from(latest)
    .innerJoin(batchItems, and(eq(batchItems.batchId, latest.id), eq(batchItems.itemId, itemId)))
    .orderBy(desc(latest.id))
    .limit(count)
  return rows.map(({ item }) => item)
}

/** How an item of the workflow stands in the latest batch that has it. */
export async function latestStatus(
  db: Db,
  workflow: string,
  scope: string,
  itemId: string,
): Promise<ItemStatus | undefined> {
  const found = await findItem(db, workflow, itemId, batchesLookedInto)
  return found.find((item) => item.scope === scope)?.status
}

/** The next items of a batch by id, for who reads them all. */
export async function itemsAfter(
  db: Db,
  batchId: string,
  cursor: string | undefined,
  count: number,
): Promise<Item[]> {
  const [, items] = await db.batch([db.execute(withoutSort), listItems(db, batchId, { cursor, count })])
  return items
}
