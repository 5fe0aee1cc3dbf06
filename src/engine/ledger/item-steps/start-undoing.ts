import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { queryRows, type Db } from '../../../db/client.ts'
import type { ItemError } from '../../item-error.ts'
import { lockItem } from '../lock-item.ts'
import { someStep } from './recorded.ts'
import { movedColumns, settle, untried } from '../settle.ts'
import { unfinished } from '../needs-work.ts'

/** An item that is being undone, and of which so many runs have died, is left to an operator, with what it has done. */
const mostRuns = 1000

/**
 * Gives a durable item whose run has died a new attempt, in which what it has done is undone.
 *
 * @returns that attempt. Undefined: it has done nothing, has ended, is at another attempt, or its runs die all the time.
 */
export async function startUndoing(
  db: Db,
  item: { batchId: string; itemId: string; attempt: number; pageSize: number },
  { name, message, step }: ItemError,
): Promise<number | undefined> {
  const { batchId, itemId, attempt, pageSize } = item
  const isUndoable = sql`i.attempt = ${attempt} and i.status in ${unfinished}
    and (i.undoing is null or i.renewals < ${mostRuns}) and ${someStep(sql.raw('i'), sql`t.status <> 'given'`)}`
  const statement = sql`
    with ${lockItem({ batchId, itemId }, isUndoable)},
    moved as (
      update batch_items i set
        status = 'queued', attempt = i.attempt + 1, undoing = coalesce(i.undoing, case when batch.status = 'cancelled' then 'cancelled' else 'failed' end),
        error = case when i.undoing is null then ${JSON.stringify({ name, message, step })}::jsonb else i.error end,
        renewals = case when i.undoing is null then 0 else i.renewals + 1 end,
        token = null, lease_until = null, waiting_for = null, waiting_until = null,
        queued_at = now()
      from item join batch on true where i.batch_id = item.batch_id and i.item_id = item.item_id
      returning ${movedColumns}
    ),
    ${settle(pageSize, untried)}
    select moved.attempt from moved left join settled on true`
  const [found] = await queryRows(db, statement, z.object({ attempt: z.int() }))
  return found?.attempt
}
