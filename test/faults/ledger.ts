import type { Pool } from 'pg'
import { z } from 'zod'

/** What the ledger says, read beside the Worker. */

async function read<Row>(
  db: Pool,
  row: z.ZodType<Row>,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const { rows } = await db.query(text, values)
  return rows.map((value) => row.parse(value))
}

/** How often work of a batch has begun that is not the undoing of something. */
export async function begunOf(db: Pool, batchId: string): Promise<number> {
  const [row] = await read(
    db,
    z.object({ begun: z.int() }),
    `select (
       coalesce((select sum(claims) from batch_items where batch_id = $1 and handler is null), 0)
       + coalesce((select sum(t.tries) from item_steps t join batch_items i using (batch_id, item_id)
           where t.batch_id = $1 and i.undoing is null and i.status in ('queued', 'running', 'waiting')), 0))::int as begun`,
    [batchId],
  )
  return row?.begun ?? 0
}

/** Batches that an operator can still do something about. */
export const openBatches = async (db: Pool): Promise<string[]> =>
  (
    await read(
      db,
      z.object({ id: z.string() }),
      `select id from batches b where status in ('starting', 'running', 'paused', 'queued')
         or exists (select 1 from batch_items i where i.batch_id = b.id and i.status in ('queued', 'running', 'waiting'))
       order by id`,
    )
  ).map(({ id }) => id)

const batchRow = z.object({
  id: z.string(),
  status: z.string(),
  pausedBy: z.string().nullable(),
  reason: z.string().nullable(),
  unfinished: z.int(),
  outstanding: z.int(),
  maxOutstanding: z.int(),
  failed: z.int(),
  /** Its workflow's kill switch is on. */
  isKilled: z.boolean(),
  /** Tokens above the budget; the most that a try has used. */
  overshoot: z.coerce.number(),
  itemTokens: z.coerce.number(),
})
export type BatchRow = z.output<typeof batchRow>

export const batchRows = (db: Pool): Promise<BatchRow[]> =>
  read(
    db,
    batchRow,
    `select b.id, b.status, b.paused_by as "pausedBy", b.reason, b.max_outstanding as "maxOutstanding", b.failed,
       exists (select 1 from kill_switches k where k.workflow in ('all', b.workflow)) as "isKilled",
       greatest(0, coalesce(b.input_tokens + b.output_tokens - (b.budget->>'tokens')::bigint, 0)) as overshoot, b.item_tokens as "itemTokens",
       count(*) filter (where i.status in ('queued', 'running', 'waiting'))::int as unfinished,
       count(*) filter (where i.status in ('queued', 'running'))::int as outstanding
     from batches b left join batch_items i on i.batch_id = b.id group by b.id order by b.id`,
  )

const itemRow = z.object({
  id: z.string(),
  status: z.string(),
  error: z.string().nullable(),
  rounds: z.int(),
  batches: z.int(),
})

/** Each item as it ended last, and in how many rounds. */
export const itemEnds = (db: Pool) =>
  read(
    db,
    itemRow,
    `select distinct on (item_id) item_id as id, status,
       (error->>'name') || ': ' || (error->>'message') as error,
       (sum(1 + (retried_attempt > 1)::int * attempt) over (partition by item_id))::int as rounds,
       (count(*) over (partition by item_id))::int as batches
     from batch_items order by item_id, batch_id desc`,
  )

export const storedResults = (db: Pool) =>
  read(
    db,
    z.object({ id: z.string(), data: z.json(), atMs: z.coerce.number() }),
    `select item_id as id, data, extract(epoch from generated_at) * 1000 as "atMs" from results order by item_id`,
  )

/** Empties the ledger and the product's tables. */
export const clear = async (db: Pool): Promise<void> => {
  await db.query(
    `delete from batches; delete from plans; delete from samples; delete from results; delete from changes;
     delete from kill_switches; delete from approvals; delete from users`,
  )
}
