import { sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Workflow } from '../../workflows/contract.ts'
import { unfinished } from './needs-work.ts'

const row = z.object({ workflow: z.string(), handler: z.int(), items: z.coerce.number() })
/** A version of a workflow's handler that items which have not ended began with. */
export type HandlerInUse = z.output<typeof row>

/** Any drizzle database over Postgres. */
type Database = { execute(statement: ReturnType<typeof sql>): PromiseLike<{ rows: unknown[] }> }

/** Versions of handlers that unfinished items are handled by. */
export async function handlersInUse(db: Database): Promise<HandlerInUse[]> {
  const { rows } = await db.execute(sql`
    select workflow, handler, count(*) as items from batch_items
    where status in ${unfinished} and handler is not null
    group by workflow, handler order by workflow, handler`)
  return rows.map((found) => row.parse(found))
}

/** Those that these workflows do not have any more: their items could not go on. */
export const droppedHandlers = (
  inUse: readonly HandlerInUse[],
  workflows: readonly Workflow[],
): HandlerInUse[] =>
  inUse.filter(({ workflow: name, handler }) => {
    const workflow = workflows.find((candidate) => candidate.name === name)
    return workflow?.run?.[handler] === undefined
  })
