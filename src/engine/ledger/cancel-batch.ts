import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { transact, type Db } from '../../db/client.ts'
import { logBatchChange, type By } from './changes.ts'
import { dropItems } from './drop-items.ts'
import type { DueItem } from './due-items.ts'

const row = z.object({ id: z.string(), attempt: z.int() })

/**
 * Ends an active or queued batch and every item of it that has not started or whose worker is dead.
 *
 * @returns the items that no delivery had ever reached: their runs have nothing to do any more. Undefined: it was not
 * active; items that an earlier cancel left behind are ended all the same.
 */
export async function cancelBatch(db: Db, batchId: string, by: By): Promise<DueItem[] | undefined> {
  const close = sql`
    with was as (select * from batches where id = ${batchId}::uuid for no key update),
    closed as (
      update batches b set
        status = 'cancelled', reason = ${by.reason}, paused_by = null, awaiting_room = false, retrying = 0,
        ended_at = now()
      from was where b.id = was.id and was.status in ('queued', 'starting', 'running', 'paused')
      returning b.*
    )
    ${logBatchChange(by, sql`'batch.cancel'`, sql.raw('was'), sql.raw('b'), sql`closed b join was on true`)}
    returning id`
  const drop = dropItems(batchId, { which: sql`true`, heals: false })
  const [closed, untouched] = await transact(db, close, drop)
  return closed.length === 0 ? undefined : untouched.map((item) => row.parse(item))
}
