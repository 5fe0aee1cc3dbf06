import { sql, type SQL } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import { z } from 'zod'
import { queryOne, queryRows, type Db } from '../../db/client.ts'
import { killed } from './bounds.ts'
import { logChange, type By } from './changes.ts'
import { needsWork, population, type Selection } from './needs-work.ts'

/** Whom to sample: the first that a batch would work on, or just these. */
export type Choice = { count: number } | { itemIds: string[] }

export type NewSample = Selection & { key: string; choice: Choice; by: By }

/** The sample, of this request or of an earlier one with its key; so many of its items are pending. */
export type OpenedSample = { outcome: 'open'; id: string; pending: number }

export type RefusedSample =
  /** The key was used for a sample of something else. */
  | { outcome: 'key_used'; id: string }
  | { outcome: 'killed' }
  /** Of the asked ids, those outside the population, and those that are done or that a batch holds unfinished. */
  | { outcome: 'unfit'; notEligible: string[]; needNoWork: string[] }

/**
 * Opens a sample: chooses its items and stores them as pending, so that whoever repeats the request works on the same
 * ones. The same key opens it once.
 */
export async function openSample(db: Db, wish: NewSample): Promise<OpenedSample | RefusedSample> {
  for (let round = 0; round < 3; round += 1) {
    const found = await findByKey(db, wish)
    if (found !== undefined) return found
    const opened = await insertSample(db, wish)
    if (opened !== undefined) return opened
  }
  throw new Error(`the items of ${wish.workflow.name} to sample change faster than they can be read`)
}

const optionsOf = ({ params, force, choice }: NewSample): string =>
  JSON.stringify({ params, force, ...choice })

const foundRow = z.object({ id: z.uuid(), pending: z.int(), sameOptions: z.boolean() })

async function findByKey(db: Db, wish: NewSample): Promise<OpenedSample | RefusedSample | undefined> {
  const statement = sql`
    select s.id, s.options = ${optionsOf(wish)}::jsonb as "sameOptions", (
        select count(*)::int from sample_items i where i.sample_id = s.id and i.status = 'pending') as pending
    from samples s where s.key = ${wish.key}`
  const [found] = await queryRows(db, statement, foundRow)
  if (found === undefined) return undefined
  const { id, pending, sameOptions } = found
  return sameOptions ? { outcome: 'open', id, pending } : { outcome: 'key_used', id }
}

const insertedRow = z.object({
  id: z.uuid().nullable(),
  pending: z.int(),
  killed: z.boolean(),
  /** Rows of the population, and whether they may be sampled. */
  chosen: z.array(z.object({ id: z.string(), fits: z.boolean() })),
})

/** Undefined: another request with this key was faster, or an item changed in between. */
async function insertSample(db: Db, wish: NewSample): Promise<OpenedSample | RefusedSample | undefined> {
  const { workflow, scope, params, force, key, choice, by } = wish
  const wanted = 'itemIds' in choice ? choice.itemIds : []
  const id = uuidv7()
  const w = sql.raw('w')
  const statement = sql`
    with w as (select ${workflow.name}::text as workflow),
    chosen as materialized (${rowsOf(db, wish)}),
    sample as (
      insert into samples (id, key, workflow, scope, params, force, options)
      select ${id}::uuid, ${key}, w.workflow, ${scope}, ${JSON.stringify(params)}::jsonb, ${force}::boolean,
        ${optionsOf(wish)}::jsonb
      from w
      where not ${killed(w)}
        and (select count(distinct id) from chosen where fits) >= ${wanted.length}::int
      on conflict (key) do nothing
      returning id, workflow
    ),
    items as (
      insert into sample_items (sample_id, item_id, version, status, input, input_tokens, output_tokens, work_ms)
      select sample.id, chosen.id, chosen.version, 'pending', '[]'::jsonb, 0, 0, 0 from sample join chosen on true
      on conflict do nothing
      returning item_id
    ),
    logged as (${logSample(id, by)})
    select (select id from sample) as id, (select count(*)::int from items) as pending, ${killed(w)} as killed,
      coalesce((select jsonb_agg(jsonb_build_object('id', id, 'fits', fits)) from chosen), '[]') as chosen
    from w`
  const inserted = await queryOne(db, statement, insertedRow)
  if (inserted.id !== null) return { outcome: 'open', id: inserted.id, pending: inserted.pending }
  if (inserted.killed) return { outcome: 'killed' }
  const fits = new Map(inserted.chosen.map((row) => [row.id, row.fits]))
  const notEligible = wanted.filter((id) => !fits.has(id))
  const needNoWork = wanted.filter((id) => fits.get(id) === false)
  if (notEligible.length + needNoWork.length === 0) return undefined
  return { outcome: 'unfit', notEligible, needNoWork }
}

/** Rows `(id, version, fits)`. Named items need not need work under `force`, also when a batch holds them. */
function rowsOf(db: Db, wish: NewSample): SQL {
  const { choice, force } = wish
  const rows = population(db, wish)
  if ('count' in choice) {
    return sql`
      select p.id::text as id, p.version, true as fits
      from ${rows} where ${needsWork(wish)} order by p.id limit ${choice.count}::int`
  }
  return sql`
    select p.id::text as id, p.version, ${force ? sql`true` : needsWork(wish)} as fits
    from ${rows} where p.id::text in (select jsonb_array_elements_text(${JSON.stringify(choice.itemIds)}::jsonb))`
}

/** Key of the change that tells of a sample; what the sample's items use is added to it as they end. */
export const sampleChangeKey = (sampleId: string) => `sample:${sampleId}`

const logSample = (id: string, by: By): SQL =>
  logChange(
    { ...by, key: sampleChangeKey(id) },
    {
      action: sql`'sample.create'`,
      workflow: sql`sample.workflow`,
      batchId: sql`null::uuid`,
      before: sql`null::jsonb`,
      after: sql`jsonb_build_object(
        'sampleId', sample.id, 'count', (select count(*)::int from items), 'tokens', 0)`,
    },
    sql`sample`,
  )
