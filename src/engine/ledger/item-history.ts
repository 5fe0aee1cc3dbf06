import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { queryOne, type Db } from '../../db/client.ts'

const row = z.object({
  inputTokens: z.number().nullable(),
  outputTokens: z.number().nullable(),
  seconds: z.number().nullable(),
})

/**
 * What an item used on average in the workflow's five latest batches that worked on any with success; what a sample had
 * made before does not count. Null: there is none.
 */
export async function itemHistory(
  db: Db,
  workflow: string,
): Promise<{ inputTokens: number; outputTokens: number; seconds: number } | null> {
  const statement = sql`
    select sum(input_tokens)::float / sum(n) as "inputTokens", sum(output_tokens)::float / sum(n) as "outputTokens",
      sum(work_ms)::float / sum(n) / 1000 as seconds
    from (
      select *, succeeded - prepared + skipped + failed as n from batches
      where workflow = ${workflow} and succeeded > prepared and (sample_id is null or prepared > 0) order by id desc limit 5
    ) recent`
  const { inputTokens, outputTokens, seconds } = await queryOne(db, statement, row)
  if (inputTokens === null || outputTokens === null || seconds === null) return null
  return { inputTokens, outputTokens, seconds }
}
