import { sql, type SQL } from 'drizzle-orm'
import { z } from 'zod'
import { queryRows, type Db } from '../../db/client.ts'
import { batchStatuses } from '../../db/schema.ts'
import type { Params } from '../../workflows/contract.ts'
import { needsWork, population, type Selection } from './needs-work.ts'

const positionRow = z.object({
  status: z.enum(batchStatuses),
  params: z.record(z.string(), z.unknown()),
  scope: z.string(),
  force: z.boolean(),
  pages: z.int(),
  cursor: z.string().nullable(),
})
/** Where a page begins and what its rows are chosen by. */
export type PagePosition = z.output<typeof positionRow> & { params: Params }

/** Reads what is needed to compose a page. Undefined: there is no such batch. */
export async function pagePosition(db: Db, batchId: string, page: number): Promise<PagePosition | undefined> {
  const statement = sql`
    select b.status, b.params, b.scope, b.force, b.pages, before.last_id as cursor
    from batches b
    left join batch_pages before on before.batch_id = b.id and before.number = ${page - 1}
    where b.id = ${batchId}::uuid`
  const [position] = await queryRows(db, statement, positionRow)
  return position
}

const recordedRow = z.object({
  ids: z.array(z.string()),
  skipped: z.int(),
  nextCursor: z.string().nullable(),
  /** The next page may be read now. */
  goesOn: z.boolean(),
  attempt: z.int(),
})
export type RecordedPage = z.output<typeof recordedRow>

/**
 * Reads the page after the cursor and records it with its items, in one statement. When the batch has no room for a
 * page, it is marked to wait instead, and its attempt raised: the save that makes room triggers the page under an id
 * that QStash has not seen.
 *
 * Undefined: nothing was recorded, because there is no room, the batch is not running, or another delivery was faster.
 */
export async function recordPage(
  db: Db,
  at: { batchId: string; page: number; cursor: string | null },
  selection: Selection,
): Promise<RecordedPage | undefined> {
  const { batchId, page, cursor } = at
  const { pageSize } = selection.workflow
  const after = cursor === null ? sql`true` : sql`p.id > ${cursor}`
  const statement = sql`
    with batch as (
      select *, recorded - succeeded - skipped - failed - cancelled as outstanding,
        least(${pageSize}::int, max_outstanding) as page_size
      from batches where id = ${batchId}::uuid and status = 'running' and pages = ${page - 1} and not exhausted
      for update
    ),
    room as (
      select id, least(page_size, item_limit - recorded) as size from batch
      where outstanding + page_size <= max_outstanding
    ),
    found as (
      select p.id, p.version, row_number() over (order by p.id) as position
      from ${population(db, selection)}
      where exists (select 1 from room) and ${after} and ${needsWork(selection)}
      order by p.id limit ${pageSize + 1}
    ),
    taken as (select found.* from found join room on found.position <= room.size),
    last as (select id from taken order by position desc limit 1),
    summary as (
      select room.id as batch_id,
        (select count(*) from found) > room.size as more,
        coalesce((select id::text from last), ${cursor}) as last_id,
        (select count(*) from taken)::int as n
      from room
    ),
    recorded as (
      insert into batch_pages (batch_id, number, last_id, skipped)
      select s.batch_id, ${page}::int, s.last_id, (${rowsPassed(db, selection, after)}) - s.n from summary s
      on conflict do nothing
      returning *
    ),
    items as (
      insert into batch_items (batch_id, item_id, workflow, scope, page, version, status)
      select recorded.batch_id, taken.id::text, ${selection.workflow.name}, ${selection.scope}, ${page}::int,
        taken.version, 'queued'
      from taken join recorded on true
      on conflict do nothing
      returning item_id
    ),
    ${advance(pageSize)}
    select
      to_jsonb(array(select item_id from items)) as ids, recorded.skipped,
      case when advanced.exhausted then null else recorded.last_id end as "nextCursor",
      not advanced.exhausted and not advanced.awaiting_room as "goesOn", batch.attempt
    from recorded join batch on true join advanced on advanced.page_recorded`
  const [recorded] = await queryRows(db, statement, recordedRow)
  return recorded
}

/**
 * Population rows up to the page's last one, or to the end when the page is the last. Two queries, so that each has
 * plain bounds that an index can use.
 */
const rowsPassed = (db: Db, selection: Selection, after: SQL) => sql`
  case when s.more
    then (select count(*)::int from ${population(db, selection)} where ${after} and p.id <= (select id from last))
    else (select count(*)::int from ${population(db, selection)} where ${after})
  end`

/** Moves the batch past the page, closes it when nothing is left, or marks it to wait for room. */
const advance = (pageSize: number) => sql`
  progress as materialized (
    select batch.id, recorded.batch_id is not null as page_recorded, coalesce(s.more, true) as more,
      (select count(*) from items)::int as n
    from batch left join recorded on true left join summary s on true
  ),
  advanced as (
    update batches b set
      pages = b.pages + p.page_recorded::int,
      attempt = b.attempt + (not p.page_recorded)::int,
      recorded = b.recorded + p.n,
      exhausted = ${exhausts},
      status = case when ${exhausts} and ${outstanding} = 0 then 'completed' else b.status end,
      ended_at = case when ${exhausts} and ${outstanding} = 0 then now() else b.ended_at end,
      awaiting_room = not ${exhausts}
        and ${outstanding} + least(${pageSize}::int, b.max_outstanding) > b.max_outstanding
    from progress p where b.id = p.id
    returning b.exhausted, b.awaiting_room, p.page_recorded
  )`

const exhausts = sql`(p.page_recorded and (not p.more or (b.recorded + p.n >= b.item_limit) is true))`
const outstanding = sql`(b.recorded + p.n - b.succeeded - b.skipped - b.failed - b.cancelled)`
