import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { queryRows, type Db } from '../../db/client.ts'
import type { Invoker } from '../../db/schema.ts'
import { unfinished } from './needs-work.ts'

/** Notes who waits for the end of an item, and in which of its steps. False: it has ended. */
export async function addInvoker(
  db: Db,
  { workflow, scope, itemId }: { workflow: string; scope: string; itemId: string },
  { step, ...invoker }: Omit<Invoker, 'answers'> & { step: string },
): Promise<boolean> {
  const statement = sql`
    with asked as (
      select jsonb_build_array(${JSON.stringify(invoker)}::jsonb
        || jsonb_build_object('answers', jsonb_build_object('step', t.name, 'round', t.round))) as added
      from item_steps t where t.batch_id = ${invoker.batchId}::uuid and t.item_id = ${invoker.itemId} and t.name = ${step}
    )
    update batch_items set invokers = case when invokers @> added then invokers else invokers || added end
    from asked
    where workflow = ${workflow} and scope = ${scope} and item_id = ${itemId}
      and status in ${unfinished}
    returning item_id as id`
  return (await queryRows(db, statement, z.object({ id: z.string() }))).length > 0
}

const row = z.object({
  batchId: z.uuid(),
  itemId: z.string(),
  status: z.string(),
  data: z.json(),
  invokers: z.array(
    z.object({
      workflow: z.string(),
      batchId: z.uuid(),
      itemId: z.string(),
      event: z.string(),
      answers: z.object({ step: z.string(), round: z.int() }).optional(),
    }),
  ),
})

/** An item that has ended, what came of it, and who is to hear of that. */
export type Untold = z.output<typeof row>

/** So many are told in one go. */
const mostTold = 500

/** Items that have ended and whose invokers, which go on, have not been told: all of them, or those of a batch, or one of its items. */
export async function untoldEnds(
  db: Db,
  which: { batchId?: string; itemId?: string } = {},
): Promise<Untold[]> {
  const statement = sql`
    select i.batch_id as "batchId", i.item_id as "itemId", i.status, r.data, i.invokers
    from batch_items i left join results r
      on i.status = 'succeeded' and r.workflow = i.workflow and r.scope = i.scope and r.item_id = i.item_id
    where i.invokers <> '[]' and i.ended_at is not null and exists (
        select 1 from jsonb_to_recordset(i.invokers) as who("batchId" uuid, "itemId" text)
        join batch_items c on c.batch_id = who."batchId" and c.item_id = who."itemId"
        where c.status in ${unfinished} and c.undoing is null)
      and (i.batch_id = ${which.batchId ?? null}::uuid) is not false
      and (i.item_id = ${which.itemId ?? null}::text) is not false
    limit ${mostTold}::int`
  return await queryRows(db, statement, row)
}

/** Notes that these invokers of an item have been told of its end. */
export async function forgetInvokers(
  db: Db,
  { batchId, itemId, invokers }: Untold,
  told: readonly Invoker[],
): Promise<void> {
  const left = JSON.stringify(invokers.filter((invoker) => !told.includes(invoker)))
  await db.execute(sql`
    update batch_items set invokers = ${left}::jsonb
    where batch_id = ${batchId}::uuid and item_id = ${itemId} and ended_at is not null
      and invokers = ${JSON.stringify(invokers)}::jsonb`)
}
