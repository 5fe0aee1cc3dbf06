import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { queryRows, type Db } from '../../../db/client.ts'
import { hasRun, lockItem } from '../lock-item.ts'
import { movedColumns, settle, untried } from '../settle.ts'

/**
 * Queues a durable item whose run ends without having come to the item's end.
 *
 * @param kind `parked`: it goes on when its batch is resumed. `renewed`: it gets a new attempt, whose run must be
 * triggered.
 * @returns its attempt from now on. Undefined: it is at another attempt or has ended.
 */
export async function leaveRun(
  db: Db,
  item: { batchId: string; itemId: string; attempt: number; pageSize: number },
  kind: 'parked' | 'renewed',
): Promise<number | undefined> {
  const { batchId, itemId, attempt, pageSize } = item
  const statement = sql`
    with ${lockItem({ batchId, itemId }, hasRun(attempt))},
    moved as (
      update batch_items i set
        status = 'queued', attempt = i.attempt + ${Number(kind === 'renewed')}::int, token = null, lease_until = null,
        waiting_for = null, waiting_until = null, queued_at = now()
      from item where i.batch_id = item.batch_id and i.item_id = item.item_id
      returning ${movedColumns}
    ),
    ${settle(pageSize, untried)}
    select moved.attempt from moved left join settled on true`
  const [found] = await queryRows(db, statement, z.object({ attempt: z.int() }))
  return found?.attempt
}
