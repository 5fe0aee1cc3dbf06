import { sql } from 'drizzle-orm'
import {
  boolean,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import type { Json } from './json.ts'

const at = (name: string) => timestamp(name, { withTimezone: true })

export const batchStatuses = [
  'starting',
  'running',
  'paused',
  'completed',
  'cancelled',
  'failed',
  'skipped',
] as const
export const itemStatuses = [
  'queued',
  'running',
  'waiting',
  'succeeded',
  'skipped',
  'failed',
  'cancelled',
] as const

/** What a dry run found: nothing is done for anyone by making one. */
export const plans = pgTable(
  'plans',
  {
    id: uuid('id').primaryKey(),
    /** Makes planning repeatable: the same key gives the same plan. */
    key: text('key').notNull().unique(),
    workflow: text('workflow').notNull(),
    params: jsonb('params').$type<{ [name: string]: Json | undefined }>().notNull(),
    force: boolean('force').notNull(),
    limit: integer('item_limit'),
    totalEligible: integer('total_eligible').notNull(),
    alreadyProcessed: integer('already_processed').notNull(),
    /** Needs work, but an earlier batch holds it unfinished. */
    held: integer('held').notNull(),
    toProcess: integer('to_process').notNull(),
    sample: jsonb('sample').$type<string[]>().notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [index('plans_workflow').on(t.workflow, t.id)],
)

/** One pass of a workflow over its population. The counters move in the statements that move the items. */
export const batches = pgTable(
  'batches',
  {
    /** UUIDv7: ids sort by time. */
    id: uuid('id').primaryKey(),
    workflow: text('workflow').notNull(),
    scope: text('scope').notNull(),
    status: text('status', { enum: batchStatuses }).notNull(),
    /** Why it is paused or failed. */
    reason: text('reason'),
    startKey: text('start_key').notNull().unique(),
    startedBy: text('started_by', { enum: ['api', 'cron', 'message'] }).notNull(),
    params: jsonb('params').$type<{ [name: string]: Json | undefined }>().notNull(),
    force: boolean('force').notNull(),
    limit: integer('item_limit'),
    maxOutstanding: integer('max_outstanding').notNull(),
    planId: uuid('plan_id').references(() => plans.id),
    /** Raised whenever a page must be triggered again; part of the run ids of layer 2. */
    attempt: integer('attempt').notNull().default(1),
    /** How many pages are recorded; the next one has this number plus one. */
    pages: integer('pages').notNull().default(0),
    /** The population has been read to its end, or `limit` is reached. */
    exhausted: boolean('exhausted').notNull().default(false),
    /** The next page waits until fewer items are outstanding; the save that makes room triggers it. */
    awaitingRoom: boolean('awaiting_room').notNull().default(false),
    recorded: integer('recorded').notNull().default(0),
    succeeded: integer('succeeded').notNull().default(0),
    skipped: integer('skipped').notNull().default(0),
    failed: integer('failed').notNull().default(0),
    cancelled: integer('cancelled').notNull().default(0),
    createdAt: at('created_at').notNull().defaultNow(),
    startedAt: at('started_at'),
    endedAt: at('ended_at'),
  },
  (t) => [
    uniqueIndex('batches_one_active')
      .on(t.workflow)
      .where(sql`status in ('starting', 'running', 'paused')`),
    index('batches_workflow').on(t.workflow, t.id),
    check('batches_balance', sql`recorded >= succeeded + skipped + failed + cancelled`),
  ],
)

/** A page that was read and recorded; never recomputed. */
export const batchPages = pgTable(
  'batch_pages',
  {
    batchId: uuid('batch_id')
      .notNull()
      .references(() => batches.id, { onDelete: 'cascade' }),
    number: integer('number').notNull(),
    /** Keyset cursor: the greatest population id the page has passed; null when it found no row. */
    lastId: text('last_id'),
    /** Population rows the page passed over because they need no work. */
    skipped: integer('skipped').notNull(),
    recordedAt: at('recorded_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.batchId, t.number] })],
)

/** One entity in a batch. */
export const batchItems = pgTable(
  'batch_items',
  {
    batchId: uuid('batch_id')
      .notNull()
      .references(() => batches.id, { onDelete: 'cascade' }),
    itemId: text('item_id').notNull(),
    workflow: text('workflow').notNull(),
    scope: text('scope').notNull(),
    page: integer('page').notNull(),
    /** Version of the input when the page was recorded. */
    version: text('version').notNull(),
    status: text('status', { enum: itemStatuses }).notNull(),
    /** The attempt whose run may take the item; part of that run's id. */
    attempt: integer('attempt').notNull().default(1),
    /** How often the item was claimed. */
    claims: integer('claims').notNull().default(0),
    /** Fencing token of the claim; only its holder may save. */
    token: uuid('token'),
    leaseUntil: at('lease_until'),
    error: jsonb('error').$type<{ name: string; message: string }>(),
    /** What every try used, also those that came to nothing. */
    inputTokens: integer('input_tokens').notNull().default(0),
    outputTokens: integer('output_tokens').notNull().default(0),
    startedAt: at('started_at'),
    endedAt: at('ended_at'),
  },
  (t) => [
    primaryKey({ columns: [t.batchId, t.itemId] }),
    uniqueIndex('batch_items_one_unfinished')
      .on(t.workflow, t.scope, t.itemId)
      .where(sql`status in ('queued', 'running', 'waiting')`),
    index('batch_items_status').on(t.batchId, t.status, t.itemId),
    index('batch_items_queued')
      .on(t.batchId, t.page)
      .where(sql`status = 'queued'`),
  ],
)

/** The latest result for an item: the truth that Redis only caches. */
export const results = pgTable(
  'results',
  {
    workflow: text('workflow').notNull(),
    scope: text('scope').notNull(),
    itemId: text('item_id').notNull(),
    version: text('version').notNull(),
    data: jsonb('data').notNull(),
    model: text('model'),
    inputTokens: integer('input_tokens').notNull(),
    outputTokens: integer('output_tokens').notNull(),
    batchId: uuid('batch_id').notNull(),
    generatedAt: at('generated_at').notNull().defaultNow(),
    /** Null: fresh for as long as the version holds. */
    expiresAt: at('expires_at'),
  },
  (t) => [primaryKey({ columns: [t.workflow, t.scope, t.itemId] })],
)
