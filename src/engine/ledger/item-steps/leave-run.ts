import { sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Db } from '../../../db/client.ts'
import { isOpen } from '../bounds.ts'
import { afterLock, hasRun, lockItem } from '../lock-item.ts'
import { movedColumns, settle, untried } from '../settle.ts'

/**
 * A handler that changes does so a few times in an item's life; one that asks for other steps each time it runs would do
 * them for ever.
 */
const mostRenewals = 5

const row = z.object({ attempt: z.int().nullable() })

/**
 * Queues a durable item whose run ends without having come to the item's end.
 *
 * @param kind `parked`: it goes on when its batch is resumed; else it gets a new attempt, whose run must be triggered.
 * `renewed`: since its handler has changed; `put_off`: since its batch has no room for it; `undone`: since it is to begin
 * anew.
 * @returns its attempt from now on; null: it was renewed too often. Undefined: it is at another attempt or has ended, or
 * the gate that it was to be parked at is open again.
 */
export async function leaveRun(
  db: Db,
  item: { batchId: string; itemId: string; attempt: number; pageSize: number },
  kind: 'parked' | 'renewed' | 'put_off' | 'undone',
): Promise<number | null | undefined> {
  const { batchId, itemId, attempt, pageSize } = item
  const next = Number(kind !== 'parked')
  const renewed = Number(kind === 'renewed')
  const isClosed = sql`not ${isOpen(sql.raw('batch'))}`
  const statement = sql`
    with ${lockItem({ batchId, itemId }, sql`${hasRun(attempt)} and ${kind === 'parked' ? isClosed : sql`true`}`)},
    moved as (
      update batch_items i set
        status = 'queued', attempt = i.attempt + ${next}::int, renewals = i.renewals + ${renewed}::int, token = null, lease_until = null,
        waiting_for = null, waiting_until = null, queued_at = now(),
        undoing = case when ${kind} <> 'undone' then i.undoing end, error = case when ${kind} <> 'undone' then i.error end
      from item where i.batch_id = item.batch_id and i.item_id = item.item_id
        and item.renewals + ${renewed}::int <= ${mostRenewals}::int
      returning ${movedColumns}
    ),
    ${settle(pageSize, untried)}
    select moved.attempt from item left join moved on true left join settled on true`
  const [found] = await afterLock(db, item, statement)
  return found === undefined ? undefined : row.parse(found).attempt
}
