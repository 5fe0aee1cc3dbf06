import { sql, type SQL } from 'drizzle-orm'

/**
 * Comes before a query of a batch's first or last items, in its transaction. Where statistics are older than the batch,
 * the planner takes it for a small one, and would read and sort all of it instead of following the index.
 */
export const withoutSort: SQL = sql`select set_config('enable_sort', 'off', true)`
