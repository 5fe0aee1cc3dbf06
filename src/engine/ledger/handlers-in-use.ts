import { sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Workflow } from '../../workflows/contract.ts'
import { hasStepsThatStand } from './item-steps/recorded.ts'
import { unfinished } from './needs-work.ts'

const row = z.object({
  workflow: z.string(),
  handler: z.int(),
  unfinished: z.coerce.number(),
  retryable: z.coerce.number(),
})
/**
 * A version of a workflow's handler, with the items that go on with it: those that have not ended, and those that have
 * failed and would go on if somebody tried them again.
 */
export type HandlerInUse = z.output<typeof row>

/** Any drizzle database over Postgres. */
type Database = { execute(statement: ReturnType<typeof sql>): PromiseLike<{ rows: unknown[] }> }

/** Versions of handlers that items are, or may be, handled by. */
export async function handlersInUse(db: Database): Promise<HandlerInUse[]> {
  const { rows } = await db.execute(sql`
    select workflow, handler, count(*) filter (where status <> 'failed') as unfinished,
      count(*) filter (where status = 'failed') as retryable
    from batch_items i
    where handler is not null and (status in ${unfinished} or (status = 'failed' and ${hasStepsThatStand(sql.raw('i'))}))
    group by workflow, handler order by workflow, handler`)
  return rows.map((found) => row.parse(found))
}

/** Those that these workflows do not have any more. */
export const droppedHandlers = (
  inUse: readonly HandlerInUse[],
  workflows: readonly Workflow[],
): HandlerInUse[] =>
  inUse.filter(({ workflow: name, handler }) => {
    const workflow = workflows.find((candidate) => candidate.name === name)
    return workflow?.run?.[handler] === undefined
  })
