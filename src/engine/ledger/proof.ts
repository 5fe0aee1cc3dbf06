import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { queryRows, type Db } from '../../db/client.ts'
import { batchStatuses, itemStatuses } from '../../db/schema.ts'
import { budgetSchema } from '../../workflows/bounds.ts'

const count = z.int()
const instant = z.string().transform((text) => new Date(text))
const plan = z.object({ id: z.uuid(), toProcess: count }).nullable()

const evidence = z.object({
  batch: z.object({
    id: z.uuid(),
    workflow: z.string(),
    status: z.enum(batchStatuses),
    exhausted: z.boolean(),
    recorded: count,
    running: count,
    waiting: count,
    succeeded: count,
    skipped: count,
    failed: count,
    cancelled: count,
    retrying: count,
    duplicates: count,
    inputTokens: count,
    outputTokens: count,
    inputUsdPerMillion: z.number().nullable(),
    outputUsdPerMillion: z.number().nullable(),
    itemTokens: count,
    itemUsd: z.number(),
    budget: budgetSchema.nullable(),
  }),
  plan,
  startPlan: plan,
  /** The batch's item rows, added up by status. */
  items: z.array(
    z.object({
      status: z.enum(itemStatuses),
      n: count,
      retrying: count,
      claims: count,
      inputTokens: count,
      outputTokens: count,
    }),
  ),
  /** Items with a result of this batch that did not stay succeeded. */
  undone: count,
  /** The log of changes, added up; `items` is how many a retry marked. */
  acts: z.array(
    z.object({
      action: z.string(),
      actor: z.string(),
      count,
      items: count,
      firstAt: instant,
      lastAt: instant,
    }),
  ),
  /** The latest things that were healed, newest first. */
  healed: z.array(
    z.object({
      id: count,
      at: instant,
      actor: z.string(),
      action: z.string(),
      workflow: z.string().nullable(),
      batchId: z.uuid().nullable(),
      reason: z.string().nullable(),
      before: z.json().nullable(),
      after: z.json().nullable(),
    }),
  ),
  takenAt: instant,
})

/** What the ledger can show about a batch, all of one moment. */
export type Evidence = z.output<typeof evidence>

const mostHealed = 200

/** Undefined: there is no such batch. Reads every item row once. */
export async function readEvidence(db: Db, batchId: string): Promise<Evidence | undefined> {
  const statement = sql`
    with ${tallies(batchId)}
    select jsonb_build_object(
      'batch', ${batchJson},
      'plan', case when p.id is not null then jsonb_build_object('id', p.id, 'toProcess', p.to_process) end,
      'startPlan', case when s.id is not null then jsonb_build_object('id', s.id, 'toProcess', s.to_process) end,
      'items', (select coalesce(jsonb_agg(i), '[]') from items i),
      'undone', (select count(*) from undone),
      'acts', (select coalesce(jsonb_agg(a order by a."firstAt", a.action), '[]') from acts a),
      'healed', (select coalesce(jsonb_agg(h order by h.id desc), '[]') from healed h),
      'takenAt', now()) as evidence
    from batches b left join plans p on p.id = b.plan_id left join plans s on s.id = b.start_plan_id
    where b.id = ${batchId}::uuid`
  const [found] = await queryRows(db, statement, z.object({ evidence }))
  return found?.evidence
}

const tallies = (batchId: string) => sql`
  items as (
    select status, count(*) as n, count(*) filter (where retry) as retrying, sum(claims) as claims,
      sum(input_tokens) as "inputTokens", sum(output_tokens) as "outputTokens"
    from batch_items where batch_id = ${batchId}::uuid group by status
  ),
  undone as (
    select 1 from batch_items i join results r
      on r.workflow = i.workflow and r.scope = i.scope and r.item_id = i.item_id and r.batch_id = i.batch_id
    where i.batch_id = ${batchId}::uuid
      and i.status in ('queued', 'running', 'waiting', 'skipped', 'failed', 'cancelled')
  ),
  acts as (
    select action, actor, count(*) as count, min(at) as "firstAt", max(at) as "lastAt",
      coalesce(sum((after->>'retried')::int) filter (where action = 'batch.retry'), 0) as items
    from changes where batch_id = ${batchId}::uuid group by action, actor
  ),
  healed as (
    select id, at, actor, action, workflow, batch_id as "batchId", reason, before, after from changes
    where batch_id = ${batchId}::uuid and action like 'heal.%' order by id desc limit ${mostHealed}
  )`

const batchJson = sql`jsonb_build_object(
  'id', b.id, 'workflow', b.workflow, 'status', b.status, 'exhausted', b.exhausted, 'recorded', b.recorded,
  'running', b.running, 'waiting', b.waiting, 'succeeded', b.succeeded, 'skipped', b.skipped, 'failed', b.failed,
  'cancelled', b.cancelled, 'retrying', b.retrying, 'duplicates', b.duplicates, 'inputTokens', b.input_tokens,
  'outputTokens', b.output_tokens, 'inputUsdPerMillion', b.input_usd_per_million,
  'outputUsdPerMillion', b.output_usd_per_million, 'itemTokens', b.item_tokens, 'itemUsd', b.item_usd,
  'budget', b.budget)`
