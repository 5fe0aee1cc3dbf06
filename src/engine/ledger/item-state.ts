import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { queryRows, type Db } from '../../db/client.ts'
import { itemStatuses } from '../../db/schema.ts'
import { morePages } from './bounds.ts'
import type { NextPage } from './settle.ts'

const row = z.object({
  status: z.enum(itemStatuses),
  scope: z.string(),
  batchStatus: z.string(),
  page: z.int(),
  attempt: z.int(),
  paginating: z.boolean(),
  isInvoked: z.boolean(),
})

/** How an item stands, and the page that its batch has not read yet and nobody waits for; null: there is none. */
export type ItemState = {
  status: string
  scope: string
  batchStatus: string
  nextPage: NextPage | null
  /** It has ended, and somebody is to hear of that. */
  isInvoked: boolean
}

/** Undefined: there is no such item, or it is at another attempt. */
export async function itemState(
  db: Db,
  item: { batchId: string; itemId: string; attempt: number },
): Promise<ItemState | undefined> {
  const statement = sql`
    select i.status, i.scope, i.ended_at is not null and i.invokers <> '[]' as "isInvoked", b.status as "batchStatus", b.pages + 1 as page, b.attempt,
      b.status = 'running' and ${morePages(sql.raw('b'))} and not b.awaiting_room as paginating
    from batch_items i join batches b on b.id = i.batch_id
    where i.batch_id = ${item.batchId}::uuid and i.item_id = ${item.itemId} and i.attempt = ${item.attempt}`
  const [found] = await queryRows(db, statement, row)
  if (found === undefined) return undefined
  const { status, scope, batchStatus, paginating, page, attempt } = found
  return {
    status,
    scope,
    batchStatus,
    isInvoked: found.isInvoked,
    nextPage: paginating ? { page, attempt } : null,
  }
}
