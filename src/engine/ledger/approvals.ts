import { and, asc, eq, sql } from 'drizzle-orm'
import type { Db } from '../../db/client.ts'
import { approvals, type approvalStatuses } from '../../db/schema.ts'
import { logChange, type By } from './changes.ts'
import { unfinished } from './needs-work.ts'

export type Approval = typeof approvals.$inferSelect
type Status = (typeof approvalStatuses)[number]

/** Approvals, oldest first, from after the one with the id `cursor`. */
export const listApprovals = (
  db: Db,
  filter: {
    status?: Status | undefined
    workflow?: string | undefined
    cursor?: string | undefined
    count: number
  },
): Promise<Approval[]> =>
  db
    .select()
    .from(approvals)
    .where(
      and(
        filter.status === undefined ? undefined : eq(approvals.status, filter.status),
        filter.workflow === undefined ? undefined : eq(approvals.workflow, filter.workflow),
        filter.cursor === undefined
          ? undefined
          : sql`(${approvals.createdAt}, ${approvals.id}) > (
              select c.created_at, c.id from approvals c where c.id = ${filter.cursor})`,
      ),
    )
    .orderBy(asc(approvals.createdAt), asc(approvals.id))
    .limit(filter.count)

const withId = (db: Db, id: string) => db.select().from(approvals).where(eq(approvals.id, id))

/** Undefined: there is none. */
export async function readApproval(db: Db, id: string): Promise<Approval | undefined> {
  const [found] = await withId(db, id)
  return found
}

/**
 * Decides what is pending, in time, and whose item waits for it, and logs that.
 *
 * @returns the approval as it is now, however it was decided; pending: its time is over, or its item waits for nothing any
 * more. Undefined: there is none.
 */
export async function decide(
  db: Db,
  id: string,
  decision: 'approved' | 'rejected',
  by: By,
): Promise<Approval | undefined> {
  const update = sql`
    with decided as (
      update approvals set status = ${decision}, decided_by = ${by.actor}, reason = ${by.reason}, decided_at = now()
      where id = ${id} and status = 'pending' and expires_at > now() and exists (
        select 1 from batch_items i join item_steps t on t.batch_id = i.batch_id and t.item_id = i.item_id
        where i.workflow = approvals.workflow and i.item_id = approvals.item_id and i.status in ${unfinished}
          and i.undoing is null and t.status = 'done' and t.result = to_jsonb(approvals.id))
      returning *
    )
    ${logChange(
      by,
      {
        action: sql`'approval.' || decided.status`,
        workflow: sql`decided.workflow`,
        batchId: sql`(
          select i.batch_id from batch_items i where i.workflow = decided.workflow and i.item_id = decided.item_id
            and i.status in ${unfinished} limit 1)`,
        before: sql`'"pending"'::jsonb`,
        after: sql`jsonb_build_object('approvalId', decided.id, 'itemId', decided.item_id, 'status', decided.status)`,
      },
      sql`decided`,
    )}`
  // Before it is judged: whoever holds the item may be about to undo it.
  const lock = sql`
    select 1 from batch_items i join approvals a on a.workflow = i.workflow and a.item_id = i.item_id
    where a.id = ${id} and i.status in ${unfinished} order by i.batch_id for no key update of i`
  const [, , [found]] = await db.batch([db.execute(lock), db.execute(update), withId(db, id)])
  return found
}
