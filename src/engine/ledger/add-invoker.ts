import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { queryRows, type Db } from '../../db/client.ts'
import type { Invoker } from '../../db/schema.ts'
import { unfinished } from './needs-work.ts'

/** Notes who waits for the end of an item. False: it has ended. */
export async function addInvoker(
  db: Db,
  { workflow, scope, itemId }: { workflow: string; scope: string; itemId: string },
  invoker: Invoker,
): Promise<boolean> {
  const added = JSON.stringify([invoker])
  const statement = sql`
    update batch_items set invokers = case when invokers @> ${added}::jsonb then invokers else invokers || ${added}::jsonb end
    where workflow = ${workflow} and scope = ${scope} and item_id = ${itemId}
      and status in ${unfinished}
    returning item_id as id`
  return (await queryRows(db, statement, z.object({ id: z.string() }))).length > 0
}
