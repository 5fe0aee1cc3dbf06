import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { queryRows, type Db } from '../../db/client.ts'
import { morePages, outstandingOf } from './bounds.ts'
import { isUntold } from './item-steps/give-event.ts'
import { unfinished } from './needs-work.ts'

const itemRow = z.object({
  id: z.string(),
  attempt: z.int(),
  /** It may still wait for a run of layer 2 to trigger its own. */
  untriggered: z.boolean(),
})

const row = z.object({
  id: z.string(),
  /** `paused`: only what is being undone goes on, also of one that is complete. */
  status: z.enum(['starting', 'running', 'paused', 'completed', 'cancelled']),
  attempt: z.int(),
  pages: z.int(),
  /** Nothing has happened to it for the grace though a run of layer 1, or of layer 2 for its next page, has to come. */
  due: z.boolean(),
  items: z.array(itemRow),
})

/** A batch that is going on or has something left to end, with the items that only a run of theirs can move. */
export type Suspect = z.output<typeof row>
export type SuspectItem = z.output<typeof itemRow>

/** So many are looked at in one tick, those that wait longest first. */
const mostItems = 5000

const b = sql.raw('b')
const isHeld = sql`(b.status = 'paused' or (b.status = 'completed' and b.paused_by is not null))`

/**
 * What of a workflow must have live runs at QStash: its active batch, ended ones that still have items, and what is being
 * undone of paused ones. Items that a
 * live worker holds, or that wait for what may still come, are left out, as is what moved within the grace.
 */
export async function findSuspects(db: Db, workflow: string, graceSeconds: number): Promise<Suspect[]> {
  const calm = sql`now() - make_interval(secs => ${graceSeconds})`
  const left = sql`
    select batch_id from batch_items where workflow = ${workflow} and status in ${unfinished}`
  const moved = sql`greatest(b.created_at, b.started_at,
    (select recorded_at from batch_pages where batch_id = b.id and number = b.pages),
    (select max(ended_at) from batch_items where batch_id = b.id and ended_at is not null),
    (select at from changes where batch_id = b.id order by id desc limit 1))`
  const statement = sql`
    select b.id, case when ${isHeld} then 'paused' else b.status end as status, b.attempt, b.pages,
      ${moved} <= ${calm} and (b.status = 'starting' or (
        b.status = 'running' and ${morePages(b)} and (not b.awaiting_room or ${outstandingOf(b)} = 0))) as due,
      coalesce((
        select jsonb_agg(jsonb_build_object('id', i.item_id, 'attempt', i.attempt,
          'untriggered', i.status = 'queued' and i.fingerprint is null)) from (
          select * from batch_items i
          where i.batch_id = b.id and i.status in ${unfinished} and (not ${isHeld} or i.undoing is not null) and case i.status
            when 'queued' then i.queued_at <= ${calm} when 'running' then i.lease_until <= now()
            else i.waiting_until <= least(${calm}, now() - interval '60 seconds') or ${isUntold(sql.raw('i'))} end
          order by i.queued_at, i.item_id limit ${mostItems}) i), '[]') as items
    from batches b
    where b.workflow = ${workflow} and (
      b.status in ('starting', 'running') or (b.status in ('cancelled', 'completed', 'paused') and b.id in (${left})))
    order by b.id`
  return await queryRows(db, statement, row)
}
