import { and, eq, gt, isNull, or, sql } from 'drizzle-orm'
import type { Db } from '../../db/client.ts'
import { results } from '../../db/schema.ts'
import type { Json, Result, Workflow } from '../../workflows/contract.ts'

/**
 * The stored result of an item, parsed with the workflow's schema; null when there is none, when it has expired, or
 * when it was stored in a shape the schema does not know any more, or at no time.
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
  const generatedAt = isoOf(row?.generatedAt)
  if (row === undefined || !data.success || generatedAt === null) return null
  return {
    version: row.version,
    data: data.data,
    model: row.model,
    usage: { inputTokens: row.inputTokens, outputTokens: row.outputTokens },
    generatedAt,
    expiresAt: isoOf(row.expiresAt),
  }
}

/** When the stored result of an item was made, ISO 8601; null when there is none. */
export async function storedAt(
  db: Db,
  workflow: Workflow,
  scope: string,
  itemId: string,
): Promise<string | null> {
  const [row] = await db
    .select({ generatedAt: results.generatedAt })
    .from(results)
    .where(and(eq(results.workflow, workflow.name), eq(results.scope, scope), eq(results.itemId, itemId)))
  return isoOf(row?.generatedAt)
}

/** Null also for a moment that only Postgres knows, as `infinity` is one, which other programs may have stored. */
const isoOf = (moment: Date | null | undefined): string | null =>
  moment === null || moment === undefined || Number.isNaN(moment.getTime()) ? null : moment.toISOString()
