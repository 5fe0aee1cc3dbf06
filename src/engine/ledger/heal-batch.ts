import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { queryRows, transact, type Db } from '../../db/client.ts'
import { killed, morePages, outstandingOf } from './bounds.ts'
import { logChange, rounds } from './changes.ts'
import { dropItems, parseDropped, type Dropped } from './drop-items.ts'
import { atAttempt, type DueItem } from './due-items.ts'
import { parseRequeued, requeue } from './requeue.ts'
import type { NextPage } from './settle.ts'

const b = sql.raw('b')

/** A batch as it was seen: if it has moved on since, nothing is healed. */
type Seen = { id: string; attempt: number; pages: number }

const raised = z.object({ attempt: z.int() })

const change = (action: string, after: ReturnType<typeof sql>, from: ReturnType<typeof sql>) =>
  logChange(
    rounds,
    {
      action: sql`${action}`,
      workflow: sql`b.workflow`,
      batchId: sql`b.id`,
      before: sql`null::jsonb`,
      after,
    },
    from,
  )

/** Raises the attempt of a batch whose layer 1 is lost. Undefined: it has moved on, or the kill switch is on. */
export async function healStart(db: Db, { id, attempt }: Seen): Promise<number | undefined> {
  const statement = sql`
    with was as (
      select * from batches where id = ${id}::uuid and status = 'starting' and attempt = ${attempt} for no key update
    ),
    healed as (
      update batches b set attempt = b.attempt + 1 from was where b.id = was.id and not ${killed(b)} returning b.*
    ),
    logged as (${change('heal.start', sql`jsonb_build_object('attempt', b.attempt)`, sql`healed b`)})
    select attempt from healed`
  const [healed] = await queryRows(db, statement, raised)
  return healed?.attempt
}

/**
 * Gives lost items of a running batch a new attempt, and finds the page to trigger for them, or for a lost page. Breaker
 * and canary stay as they are. Null: the batch has moved on, or the kill switch is on.
 */
export async function healBatch(
  db: Db,
  { id, attempt, pages }: Seen,
  lost: { items: readonly DueItem[]; page: boolean },
): Promise<NextPage | null> {
  const seen = sql`attempt = ${attempt} and (pages = ${pages} or not ${lost.page}::boolean)`
  const begin = sql`
    with was as (
      select * from batches where id = ${id}::uuid and status in ('running', 'completed') and paused_by is null and ${seen} for no key update
    ),
    healed as (
      update batches b set attempt = b.attempt + 1,
        awaiting_room = b.awaiting_room and not (${lost.page}::boolean and ${outstandingOf(b)} = 0)
      from was where b.id = was.id and not ${killed(b)} returning b.*
    )
    ${change(
      'heal.page',
      sql`jsonb_build_object('page', b.pages + 1, 'attempt', b.attempt)`,
      sql`healed b where ${lost.page}::boolean and ${morePages(b)} and not b.awaiting_room`,
    )}`
  const which = atAttempt(lost.items)
  const [, [healed]] = await transact(db, begin, requeue(id, { which, nextPage: lost.page, heals: true }))
  return healed === undefined ? null : parseRequeued(healed).nextPage
}

/** Ends items of a cancelled batch whose workers are dead and whose runs are gone, or lets them be undone. */
export async function healCancelled(db: Db, batchId: string, items: readonly DueItem[]): Promise<Dropped> {
  const raise = sql`update batches set attempt = attempt + 1 where id = ${batchId}::uuid`
  const [, [dropped]] = await transact(
    db,
    raise,
    dropItems(batchId, { which: atAttempt(items), heals: true }),
  )
  return parseDropped(dropped)
}
