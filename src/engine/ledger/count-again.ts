import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { queryOne, type Db } from '../../db/client.ts'
import { isStuck, mayHaveActed, someStep } from './item-steps/recorded.ts'
import { heldItem, population, type Selection } from './needs-work.ts'
import { matching, type RetryFilter } from './retry-failed.ts'

const row = z.object({ again: z.int() })

/** Items of the population, or just `itemId`, that were done before, or have failed after they had acted. */
export async function countDoneBefore(db: Db, selection: Selection, itemId?: string): Promise<number> {
  const { workflow, scope } = selection
  const which = itemId === undefined ? sql`true` : sql`p.id = ${itemId}`
  const statement = sql`
    select count(*)::int as again from ${population(db, selection)}
    where ${which} and not exists (select 1 from batch_items h where ${heldItem(selection)}) and (
      exists (
        select 1 from results r
        where r.workflow = ${workflow.name} and r.scope = ${scope} and r.item_id = p.id::text)
      or exists (
        select 1 from batch_items a
        where a.workflow = ${workflow.name} and a.scope = ${scope} and a.item_id = p.id::text and a.acted))`
  return (await queryOne(db, statement, row)).again
}

/** Failed items of a batch of which it is not known whether the step that failed had done something, and that would be done again. */
export async function countUncertain(db: Db, batchId: string, filter: RetryFilter): Promise<number> {
  const statement = sql`
    select count(*)::int as again from batches b join batch_items i on i.batch_id = b.id
    where b.id = ${batchId}::uuid and b.status <> 'cancelled' and i.status = 'failed' and ${matching(filter)} and ${someStep(
      sql.raw('i'),
      sql`t.status in ('running', 'failed') and ${mayHaveActed} and not ${isStuck}`,
    )}`
  return (await queryOne(db, statement, row)).again
}
