import { sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import { z } from 'zod'
import { PermanentError } from '../../errors.ts'
import { queryOne, type Db } from '../../db/client.ts'
import type { Assumptions } from '../../db/schema.ts'
import { freshResult, hasActed, heldItem, needsWork, population, type Selection } from './needs-work.ts'

const sampleSize = 5

const planRow = z.object({
  id: z.uuid(),
  totalEligible: z.int(),
  alreadyProcessed: z.int(),
  held: z.int(),
  toProcess: z.int(),
  sample: z.array(z.string()),
  hash: z.string(),
  /** False: the key was used for other options, and the plan is theirs. */
  sameOptions: z.boolean(),
})
export type Plan = z.output<typeof planRow>

/** `repeated`: rows of the population whose id another row has; then there is no plan. */
const row = z.object({ repeated: z.int(), plan: planRow.nullable() })

/**
 * Counts what a batch would do and stores it; the same key gives the stored plan again.
 *
 * `toProcess` is what needs work and no earlier batch holds, at most `limit`; `held` also counts what has failed after it
 * had acted. `alreadyProcessed` counts rows with a
 * fresh result, also under `force`, which works on them all the same. `hash` is the same for the same options over the
 * same items, whatever their versions.
 *
 * @throws PermanentError when ids come more than once: whichever version an item is stored with, one of its rows would need
 * work for ever.
 */
export async function makePlan(
  db: Db,
  key: string,
  selection: Selection & { limit: number | null },
  assumptions: Assumptions,
): Promise<Plan> {
  const { workflow, params, force, limit } = selection
  const wanted = force ? sql`true` : sql`r.item_id is null`
  const free = sql`(h.item_id is null and not ${hasActed(selection)})`
  const statement = sql`
    with counts as (
      select
        count(*)::int as eligible, (count(*) - count(distinct p.id))::int as repeated,
        count(r.item_id)::int as processed,
        (count(*) filter (where ${wanted} and not ${free}))::int as held,
        (count(*) filter (where ${wanted} and ${free}))::int as needing,
        bit_xor(hashtextextended(p.id::text, 0)) filter (where ${wanted} and ${free}) as members
      from ${population(db, selection)}
      left join results r on ${freshResult(selection)}
      left join batch_items h on ${heldItem(selection)}
    ),
    sample as (
      select p.id::text as id from ${population(db, selection)}
      where ${needsWork(selection)} order by p.id limit least(${sampleSize}::int, ${limit}::int)
    ),
    stored as (
      insert into plans (
        id, key, workflow, params, force, item_limit, total_eligible, already_processed, held, to_process, sample,
        hash, assumptions
      )
      select
        ${uuidv7()}::uuid, ${key}, ${workflow.name}, ${JSON.stringify(params)}::jsonb, ${force}::boolean, ${limit}::int,
        eligible, processed, held, least(needing, ${limit}::int), to_jsonb(array(select id from sample)),
        encode(sha256(convert_to(jsonb_build_array(
          ${workflow.name}::text, ${JSON.stringify(params)}::jsonb, ${force}::boolean, ${limit}::int, needing, members)::text, 'UTF8')), 'hex'),
        ${JSON.stringify(assumptions)}::jsonb
      from counts where repeated = 0
      on conflict (key) do update set key = excluded.key
      returning
        id, total_eligible as "totalEligible", already_processed as "alreadyProcessed", held,
        to_process as "toProcess", sample, hash,
        params = ${JSON.stringify(params)}::jsonb and force = ${force} and item_limit is not distinct from ${limit}::int
          and assumptions->'parallelism' = ${JSON.stringify(assumptions)}::jsonb->'parallelism'
          and assumptions->'rate' = ${JSON.stringify(assumptions)}::jsonb->'rate' as "sameOptions"
    )
    select counts.repeated, to_jsonb(stored) as plan from counts left join stored on true`
  const { repeated, plan } = await queryOne(db, statement, row)
  if (plan !== null) return plan
  throw new PermanentError(
    `the population of ${workflow.name} gives ids more than once (${repeated} row(s) too many): an id is one item`,
  )
}
