import { sql, type SQL } from 'drizzle-orm'
import { z } from 'zod'
import { queryRows, type Db } from '../../db/client.ts'
import { batchStatuses } from '../../db/schema.ts'
import { currentHandler, type Workflow } from '../../workflows/contract.ts'
import { advance } from './advance.ts'
import { killed, outstandingOf, roomFor } from './bounds.ts'
import { needsWork, population, type Selection } from './needs-work.ts'

const positionRow = z.object({
  status: z.enum(batchStatuses),
  params: z.record(z.string(), z.json()),
  scope: z.string(),
  force: z.boolean(),
  /** Pages recorded so far. */
  pages: z.int(),
  /** Id that the page begins after; null: at the start. */
  cursor: z.string().nullable(),
  /** Items the page may have. */
  size: z.int(),
  /** The page is one of failed items that are tried again. */
  retrying: z.boolean(),
})
/** Where a page begins and what its rows are chosen by. */
export type PagePosition = z.output<typeof positionRow>

/** Reads what is needed to compose a page. Undefined: the workflow has no such batch. */
export async function pagePosition(
  db: Db,
  workflow: Workflow,
  batchId: string,
  page: number,
): Promise<PagePosition | undefined> {
  const statement = sql`
    select b.status, b.params, b.scope, b.force, b.pages, before.last_id as cursor,
      least(${workflow.pageSize}::int, b.max_outstanding, b.item_limit - b.recorded,
        case when b.canary_verdict = 'pending' then greatest(1, b.canary_items - b.recorded + b.prepared) end) as size,
      b.retrying > 0 as retrying
    from batches b
    left join batch_pages before on before.batch_id = b.id and before.number = ${page - 1}
    where b.id = ${batchId}::uuid and b.workflow = ${workflow.name}`
  const [position] = await queryRows(db, statement, positionRow)
  return position
}

export const recordedRow = z.object({
  items: z.array(z.object({ id: z.string(), attempt: z.int() })),
  skipped: z.int(),
  nextCursor: z.string().nullable(),
  /** The next page may be read now. */
  goesOn: z.boolean(),
  batchStatus: z.enum(batchStatuses),
  attempt: z.int(),
})
export type RecordedPage = z.output<typeof recordedRow>

const batch = sql.raw('batch')

type At = { batchId: string; page: number } & Pick<PagePosition, 'cursor' | 'size'>

/**
 * Reads the page after the cursor and records it with its items, in one statement. When the batch has no room for a
 * page, it is marked to wait instead, and its attempt raised: the save that makes room triggers the page under an id
 * that QStash has not seen.
 *
 * Undefined: nothing was recorded, because there is no room, the batch is not running, the kill switch is on, another
 * delivery was faster, or `maxOutstanding` was lowered below the page's size while it was read.
 */
export async function recordPage(db: Db, at: At, selection: Selection): Promise<RecordedPage | undefined> {
  const { batchId, page } = at
  const { workflow, scope } = selection
  const statement = sql`
    with ${readPage(db, at, selection)},
    ${lockBatch(at, workflow)},
    recorded as (
      insert into batch_pages (batch_id, number, last_id, skipped)
      select room.id, ${page}::int, summary.last_id, summary.passed - summary.taken from summary join room on true
      on conflict do nothing
      returning *
    ),
    items as (
      insert into batch_items (batch_id, item_id, workflow, scope, page, version, status, handler)
      select recorded.batch_id, taken.id::text, ${workflow.name}, ${scope}, ${page}::int, taken.version, 'queued',
        ${currentHandler(workflow)}::int
      from taken join recorded on true
      on conflict do nothing
      returning item_id
    ),
    ${advance(workflow.pageSize, { recorded: sql`(select count(*)::int from items)`, more: sql`(select more from summary)` })}
    select
      coalesce((select jsonb_agg(jsonb_build_object('id', item_id, 'attempt', 1) order by item_id) from items), '[]')
        as items,
      recorded.skipped,
      case when advanced.exhausted then null else recorded.last_id end as "nextCursor",
      advanced.status as "batchStatus",
      not advanced.exhausted and not advanced.awaiting_room as "goesOn", batch.attempt
    from recorded join batch on batch.id = ${batchId}::uuid join advanced on advanced.page_recorded`
  const [recorded] = await queryRows(db, statement, recordedRow)
  return recorded
}

/**
 * CTEs that read the population: the page's rows, whether there are more, and how many rows were passed on the way.
 * The passed rows are counted by two queries, so that each has plain bounds that an index can use.
 */
function readPage(db: Db, { cursor, size }: At, selection: Selection): SQL {
  const after = cursor === null ? sql`true` : sql`p.id > ${cursor}`
  const rows = population(db, selection)
  return sql`
    found as materialized (
      select p.id, p.version, row_number() over (order by p.id) as position
      from ${rows} where ${after} and ${needsWork(selection)} order by p.id limit ${size + 1}
    ),
    taken as materialized (select * from found where position <= ${size}),
    last as materialized (select id from taken order by position desc limit 1),
    summary as materialized (
      select
        (select count(*) from found) > ${size} as more,
        (select count(*) from taken)::int as taken,
        coalesce((select id::text from last), ${cursor}) as last_id,
        case when (select count(*) from found) > ${size}
          then (select count(*)::int from ${rows} where ${after} and p.id <= (select id from last))
          else (select count(*)::int from ${rows} where ${after})
        end as passed
    )`
}

/**
 * CTEs that lock the batch, only after the population has been read: a slow population must hold up neither claims
 * nor a pause. `room` is empty when a page would exceed what may be outstanding.
 */
const lockBatch = ({ batchId, page, size }: At, { pageSize }: Workflow) => sql`
  batch as (
    select * from batches
    where id = ${batchId}::uuid and status = 'running' and pages = ${page - 1} and not exhausted and retrying = 0
      and (select taken from summary) is not null and ${size} <= max_outstanding and not ${killed(sql.raw('batches'))}
    for no key update
  ),
  room as (
    select id from batch where ${roomFor(batch, outstandingOf(batch), pageSize)}
  )`
