import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { queryRows, type Db } from '../../db/client.ts'

const instant = z.string().transform((text) => new Date(text).toISOString())

const row = z.object({
  fingerprint: z.string(),
  error: z.object({ name: z.string(), message: z.string(), step: z.string() }),
  count: z.int(),
  /** Of these, how many already wait to be tried again. */
  retrying: z.int(),
  firstSeen: instant,
  lastSeen: instant,
  items: z.array(z.string()),
})

/** Failed items whose errors differ only in ids and numbers; times are ISO 8601, `items` a few of them. */
export type FailureGroup = z.output<typeof row>

const maxGroups = 200
const sampleItems = 5

/** The failed items of a batch, grouped by error, the most frequent first; `more`: there are further groups. */
export async function failuresOf(
  db: Db,
  batchId: string,
): Promise<{ groups: FailureGroup[]; more: boolean }> {
  const statement = sql`
      select g.*, sample.items, sample.error
      from (
        select fingerprint, count(*)::int as count, (count(*) filter (where retry))::int as retrying,
          min(ended_at)::text as "firstSeen", max(ended_at)::text as "lastSeen"
        from batch_items
        where batch_id = ${batchId}::uuid and status = 'failed' and fingerprint is not null
        group by fingerprint order by count(*) desc, fingerprint limit ${maxGroups + 1}
      ) g
      cross join lateral (
        select to_jsonb(array_agg(item_id order by item_id)) as items, (array_agg(error order by item_id))[1] as error
        from (
          select item_id, error from batch_items
          where batch_id = ${batchId}::uuid and fingerprint = g.fingerprint and status = 'failed'
          order by fingerprint, item_id limit ${sampleItems}
        ) few
      ) sample
      order by g.count desc, g.fingerprint`
  const groups = await queryRows(db, statement, row)
  return { groups: groups.slice(0, maxGroups), more: groups.length > maxGroups }
}
