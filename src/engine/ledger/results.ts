import { and, eq, gt, isNull, or, sql } from 'drizzle-orm'
import { z } from 'zod'
import { queryRows, type Db } from '../../db/client.ts'
import { results } from '../../db/schema.ts'
import type { Json, Result, Workflow } from '../../workflows/contract.ts'
import { population } from './needs-work.ts'

/**
 * The stored result of an item, parsed with the workflow's schema; null when there is none, when it has expired, or
 * when it was stored in a shape the schema does not know any more.
 */
export async function storedResult(
  db: Db,
  workflow: Workflow,
  scope: string,
  itemId: string,
): Promise<Result<Json> | null> {
  const [row] = await db
    .select()
    .from(results)
    .where(
      and(
        eq(results.workflow, workflow.name),
        eq(results.scope, scope),
        eq(results.itemId, itemId),
        or(isNull(results.expiresAt), gt(results.expiresAt, sql`now()`)),
      ),
    )
  const data = workflow.data.safeParse(row?.data)
  if (row === undefined || !data.success) return null
  return {
    version: row.version,
    data: data.data,
    model: row.model,
    usage: { inputTokens: row.inputTokens, outputTokens: row.outputTokens },
    generatedAt: row.generatedAt.toISOString(),
    expiresAt: row.expiresAt?.toISOString() ?? null,
  }
}

/** The version of an item's input as it is now; null when the item is not in the population. */
export async function currentVersion(db: Db, workflow: Workflow, itemId: string): Promise<string | null> {
  const params = workflow.params.parse({})
  const selection = { workflow, params, scope: workflow.scope(params), force: false }
  const statement = sql`select p.version from ${population(db, selection)} where p.id = ${itemId}`
  const [row] = await queryRows(db, statement, z.object({ version: z.string() }))
  return row?.version ?? null
}
