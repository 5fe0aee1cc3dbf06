import { asc, eq, sql } from 'drizzle-orm'
import { z } from 'zod'
import { transact, type Db } from '../../db/client.ts'
import { sampleItems, samples } from '../../db/schema.ts'
import { killed } from './bounds.ts'
import { sampleChangeKey } from './open-sample.ts'

export type Sample = typeof samples.$inferSelect
export type SampleItem = typeof sampleItems.$inferSelect

/** A sample with its items, by id; undefined when there is none. */
export async function findSample(
  db: Db,
  id: string,
): Promise<(Sample & { items: SampleItem[] }) | undefined> {
  const [[sample], items] = await db.batch([
    db.select().from(samples).where(eq(samples.id, id)),
    db.select().from(sampleItems).where(eq(sampleItems.sampleId, id)).orderBy(asc(sampleItems.itemId)),
  ])
  return sample === undefined ? undefined : { ...sample, items }
}

const claimRow = z.object({ itemId: z.string().nullable(), pending: z.boolean(), killed: z.boolean() })

export type SampleClaim =
  | { outcome: 'claimed'; itemId: string }
  /** Nothing is left to do. */
  | { outcome: 'done' }
  /** What is left is being worked on, or as many items as may be are. */
  | { outcome: 'busy' }
  | { outcome: 'killed' }

/**
 * Takes a pending item of a sample that nobody is working on, for that many seconds. Of all requests for the sample
 * together, at most `parallelism` items are worked on at once.
 */
export async function claimSampleItem(
  db: Db,
  sampleId: string,
  { parallelism, leaseSeconds }: { parallelism: number; leaseSeconds: number },
): Promise<SampleClaim> {
  const s = sql.raw('s')
  const lock = sql`select id from samples where id = ${sampleId}::uuid for no key update`
  const claim = sql`
    with s as (select * from samples where id = ${sampleId}::uuid),
    pending as (
      select i.item_id, coalesce(i.lease_until > now(), false) as at_work
      from s join sample_items i on i.sample_id = s.id where i.status = 'pending'
    ),
    next as (
      select s.id, min(p.item_id) filter (where not p.at_work) as item_id
      from s join pending p on true
      where not ${killed(s)}
      group by s.id having count(*) filter (where p.at_work) < ${parallelism}::int
    ),
    claimed as (
      update sample_items i set lease_until = now() + make_interval(secs => ${leaseSeconds})
      from next n where i.sample_id = n.id and i.item_id = n.item_id
      returning i.item_id
    )
    select claimed.item_id as "itemId", exists (select 1 from pending) as pending, ${killed(s)} as killed
    from s left join claimed on true`
  const [, [row]] = await transact(db, lock, claim)
  const { itemId, pending, killed: isKilled } = claimRow.parse(row)
  if (itemId !== null) return { outcome: 'claimed', itemId }
  if (!pending) return { outcome: 'done' }
  return { outcome: isKilled ? 'killed' : 'busy' }
}

/** What became of an item of a sample. */
export type Sampled = Omit<SampleItem, 'sampleId' | 'itemId' | 'version' | 'leaseUntil'>

/** Ends an item of a sample. What has ended stays as it is, should somebody else have been faster. */
export async function saveSampleItem(
  db: Db,
  { sampleId, itemId }: { sampleId: string; itemId: string },
  made: Sampled,
): Promise<void> {
  await db.execute(sql`
    with saved as (
      update sample_items set
        status = ${made.status}, lease_until = null, input = ${JSON.stringify(made.input)}::jsonb,
        output = ${jsonOrNull(made.output)}::jsonb, error = ${jsonOrNull(made.error)}::jsonb, model = ${made.model},
        input_tokens = ${made.inputTokens}, output_tokens = ${made.outputTokens}, work_ms = ${made.workMs}
      where sample_id = ${sampleId}::uuid and item_id = ${itemId} and status = 'pending'
      returning input_tokens + output_tokens as tokens
    )
    update changes c set after = jsonb_set(c.after, '{tokens}', to_jsonb((c.after->>'tokens')::bigint + saved.tokens))
    from saved where c.key = ${sampleChangeKey(sampleId)}`)
}

const jsonOrNull = (value: Sampled['output']) => (value === null ? null : JSON.stringify(value))
