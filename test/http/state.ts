import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { queryOne, type Db } from '../../src/db/client.ts'

/** Everything that the admin API can change, to see whether it did. */
export const stateOf = (db: Db) =>
  queryOne(
    db,
    sql`select
      (select jsonb_agg(b order by id) from batches b) as batches,
      (select jsonb_agg(i order by batch_id, item_id) from batch_items i) as items,
      (select jsonb_agg(p order by id) from plans p) as plans,
      (select jsonb_agg(s order by id) from samples s) as samples,
      (select jsonb_agg(k order by workflow) from kill_switches k) as switches,
      (select jsonb_agg(t order by name) from tokens t) as tokens,
      (select jsonb_agg(c order by id) from changes c) as changes`,
    z.record(z.string(), z.json()),
  )
